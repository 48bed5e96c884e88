"""What the long table of errors says: a ranking, with intervals over draws and skill against persistence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sbml_hybrid.benchmarking.metrics import METRICS, Metric
from sbml_hybrid.benchmarking.runner import PERFECT, PERSISTENCE
from sbml_hybrid.errors import DataError, unknown_name

FEWEST = 5  # draws: with fewer, a bootstrap interval is a guess
_INDEPENDENT = ("random", "none")  # designs whose draws are independent; "none" is a lab's own data


def errors(
    scores: pd.DataFrame,
    by: Sequence[str] = ("forecaster", "mechanism"),
    metric: str = "nrmse_sd",
    against: str = "truth",
) -> pd.DataFrame:
    """Return the error of each group of rows, such as of each forecaster at each horizon.

    Sums up as the metric demands: a root mean square, or a mean, within each channel, and then the mean over channels.

    Parameters
    ----------
    scores
        The table of `benchmark`.
    by
        Columns that make the groups.
    metric, against
        Which errors.

    Returns
    -------
    DataFrame
        The columns of `by`, and `value`.
    """
    rows, kind = _chosen(scores, metric, against)
    by = list(by)
    groups = by if kind.pooled or "channel" in by else [*by, "channel"]
    powered = rows.assign(value=rows["value"] ** 2) if kind.kind == "rms" else rows
    each = powered.groupby(groups, observed=True, sort=False)["value"].mean()
    each = np.sqrt(each) if kind.kind == "rms" else each
    return each.groupby(by, observed=True, sort=False).mean().reset_index()


def summary(
    scores: pd.DataFrame, metric: str = "nrmse_sd", against: str = "truth", seed: int = 0, resamples: int = 1000
) -> pd.DataFrame:
    """Rank the forecasters, the best first.

    Parameters
    ----------
    scores
        The table of `benchmark`.
    metric
        ``"nrmse_sd"`` (the default: the error in standard deviations of the training data), ``"nrmse_mean"``,
        ``"mae"``, ``"rmse"``, ``"mase"`` or ``"r2"``.
    against
        ``"truth"``, the noise-free readout; or ``"measurement"``, all there is with a lab's own data.
    seed, resamples
        Of the bootstrap, which draws whole draws again and again.

    Returns
    -------
    DataFrame
        One row per forecaster and mechanism: `error`, with its 95 % interval `low` to `high`; `skill`, the share of
        persistence's error that it saves (the geometric mean over draws and channels; 0 is no better, 1 is perfect),
        with its interval; `win_rate`, the share of draws and channels where it beats persistence; `near_best`, whether
        it is not shown to be worse than the best row that counts; `counts`, whether a lab may go by this row: not
        if it knew the very equations that made the data, or kinetic parameters ("oracle"). Intervals are NaN with
        fewer than 5 draws, and for designs whose draws are not independent (a hypercube, Sobol, a grid).
    """
    rows, kind = _chosen(scores, metric, against)
    totals = _totals(rows[rows["forecaster"] != PERFECT], kind)
    n = len(totals.draws)
    plain, weights = np.ones((1, n)), _weights(n, seed, resamples, independent=_independent(rows))
    replicas = totals.error(weights)
    ratio, wins = _against_naive(totals, _floor(scores, totals, metric))

    table = totals.rows.copy()
    table["error"] = totals.error(plain)[:, 0]
    table["low"], table["high"] = _interval(replicas, n)
    table["skill"] = _skill(ratio, plain)[:, 0]
    table["skill_low"], table["skill_high"] = _interval(_skill(ratio, weights), n)
    table["win_rate"] = wins
    table["counts"] = ~table["oracle"] & (table["mechanism"] != "true")
    table["near_best"] = _near_best(table, replicas, kind)
    table = table.sort_values("error", ascending=not kind.higher_is_better, kind="stable", ignore_index=True)
    table.attrs = {name: scores.attrs[name] for name in ("unit",) if name in scores.attrs}
    return table.astype({"forecaster": str, "mechanism": str})


@dataclass(frozen=True)
class _Totals:
    """Sums and counts of cell values, (row, draw, channel): any resampling of draws is then a matrix product."""

    rows: pd.DataFrame
    draws: pd.Index
    channels: pd.Index
    total: np.ndarray
    count: np.ndarray
    kind: Metric

    def error(self, weights: np.ndarray) -> np.ndarray:
        """Error of each row with the draws weighted: (row, resample) from weights (resample, draw)."""
        total, count = (np.einsum("rdc,bd->rbc", part, weights, optimize=True) for part in (self.total, self.count))
        if self.kind.pooled:
            total, count = total.sum(axis=2, keepdims=True), count.sum(axis=2, keepdims=True)
        return _mean_of_known(self._value(total, count))

    def by_draw(self) -> np.ndarray:
        """Error of each row, draw and channel."""
        return self._value(self.total, self.count)

    def by_channel(self) -> np.ndarray:
        """Error of each row and channel."""
        return self._value(self.total.sum(axis=1), self.count.sum(axis=1))

    def _value(self, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            mean = total / count
        return np.sqrt(mean) if self.kind.kind == "rms" else mean


def _totals(rows: pd.DataFrame, kind: Metric) -> _Totals:
    keys = ["forecaster", "mechanism", "oracle"]
    powered = rows.assign(value=rows["value"] ** 2) if kind.kind == "rms" else rows
    grouped = powered.groupby([*keys, "draw", "channel"], observed=True, sort=False)["value"].agg(["sum", "count"])
    names = grouped.index.droplevel(["draw", "channel"]).unique()
    # Sorted, so that the order of the table's rows does not reach the bootstrap.
    draws, channels = (grouped.index.unique(level).sort_values() for level in ("draw", "channel"))
    place = (
        names.get_indexer(grouped.index.droplevel(["draw", "channel"])),
        draws.get_indexer(grouped.index.get_level_values("draw")),
        channels.get_indexer(grouped.index.get_level_values("channel")),
    )
    total, count = (np.zeros((len(names), len(draws), len(channels))) for _ in range(2))
    total[place], count[place] = grouped["sum"], grouped["count"]
    return _Totals(names.to_frame(index=False), draws, channels, total, count, kind)


def _chosen(scores: pd.DataFrame, metric: str, against: str) -> tuple[pd.DataFrame, Metric]:
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS, "sbml_hybrid.metrics")
    there = scores["against"].unique().tolist()
    if against not in there:
        hint = " The data has no noise-free readout." if against == "truth" else ""
        raise DataError(f"These scores are against {' and '.join(map(repr, there))}, not {against!r}.{hint}")
    rows = scores[(scores["metric"] == metric) & (scores["against"] == against)]
    if rows.empty:
        raise DataError(f"{metric} is not defined for any channel here: none of them varies. Try metric='mae'.")
    return rows, METRICS[metric]


def _independent(rows: pd.DataFrame) -> bool:
    return rows["design"].isin(_INDEPENDENT).all()


def _weights(draws: int, seed: int, resamples: int, independent: bool) -> np.ndarray:
    """How often each draw is in each resample, (resample, draw); none at all where an interval would mislead."""
    if not isinstance(resamples, (int, np.integer)) or resamples < 1:
        raise ValueError(f"resamples must be a whole number, one or more, got {resamples!r}.")
    if draws < FEWEST or not independent:
        return np.full((1, draws), np.nan)
    rng = np.random.default_rng(seed)
    return rng.multinomial(draws, np.full(draws, 1 / draws), size=resamples).astype(float)


def _interval(replicas: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval over resamples, (row,) each, widened as Student's t is for few draws (Hesterberg)."""
    from scipy.special import ndtr, stdtrit

    tail = 0.025 if draws < FEWEST else ndtr(math.sqrt(draws / (draws - 1)) * stdtrit(draws - 1, 0.025))
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(replicas, [tail, 1 - tail], axis=1)
    return low, high


def _floor(scores: pd.DataFrame, totals: _Totals, metric: str) -> np.ndarray:
    """(channel,): the size below which errors are not told apart: the noise, or 1 % of persistence's error.

    At a steady state the naive error is next to nothing, and a ratio to it says nothing. A channel at rest and free of
    noise has no floor (NaN).
    """
    naive = totals.by_channel()[_naive(totals)]
    perfect = scores[(scores["forecaster"] == PERFECT) & (scores["metric"] == metric)]
    perfect = perfect[perfect["against"] == "measurement"]
    noise = np.zeros(len(totals.channels))
    if len(perfect):
        found = _totals(perfect, totals.kind)
        noise = found.by_channel()[0][found.channels.get_indexer(totals.channels)]
    floor = np.fmax(noise, 0.01 * naive)
    return np.where(floor > 0, floor, np.nan)


def _naive(totals: _Totals) -> int:
    found = np.flatnonzero(totals.rows["forecaster"] == PERSISTENCE)
    if not len(found):
        raise DataError("The scores have no 'persistence', which skill is measured against. Keep its rows.")
    return int(found[0])


def _against_naive(totals: _Totals, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(error / naive error) of each (row, draw, channel), NaN where one is unknown; and each row's win rate."""
    each = totals.by_draw()
    if totals.kind.higher_is_better:
        return np.full(each.shape, np.nan), np.full(len(each), np.nan)
    naive = each[_naive(totals)]
    # maximum, unlike fmax, keeps what is unknown unknown.
    ratio = np.log(np.maximum(each, floor)) - np.log(np.maximum(naive, floor))
    won = np.where(np.isnan(each - naive), np.nan, (each < naive) + (each == naive) / 2)
    return ratio, _mean_of_known(won.reshape(len(each), -1))


def _skill(ratio: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 - geometric mean over draws and channels: (row, resample)."""
    known = ~np.isnan(ratio)
    total = np.einsum("rdc,bd->rb", np.where(known, ratio, 0.0), weights)
    with np.errstate(invalid="ignore"):
        return 1 - np.exp(total / np.einsum("rdc,bd->rb", known.astype(float), weights))


def _near_best(table: pd.DataFrame, replicas: np.ndarray, kind: Metric) -> np.ndarray:
    """Whether the interval of the paired difference to the best row that counts reaches zero."""
    sign = -1.0 if kind.higher_is_better else 1.0
    error = sign * table["error"].to_numpy()
    eligible = table["counts"].to_numpy() & np.isfinite(error)
    if not eligible.any():
        return np.zeros(len(table), bool)
    best = np.flatnonzero(eligible)[np.argmin(error[eligible])]
    # Without intervals only the best itself is near the best.
    with np.errstate(invalid="ignore"):
        worse = np.quantile(sign * (replicas - replicas[best]), 0.025, axis=1) > 0
    known = ~np.isnan(replicas).any(axis=1)
    return (known & ~worse & eligible) | (np.arange(len(table)) == best)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)
