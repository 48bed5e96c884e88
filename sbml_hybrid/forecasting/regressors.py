"""Forecasters from classical regression: a masked ridge, and scikit-learn's random forest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.forecasting.forecaster import Forecaster, Lesson
from sbml_hybrid.forecasting.preparation import Preparation, cosines
from sbml_hybrid.forecasting.scaling import check_scale

log = logging.getLogger("sbml_hybrid")

_FOLDS = 5
_COMPONENTS = 40
_TRIED = 4
_PENALTIES = 10.0 ** np.arange(-6, 2)


@dataclass(frozen=True)
class Ridge(Forecaster):
    """Linear regression on a masked summary of the history, whose weights move with time.

    The first to try: it is quick, and with few draws hard to beat. Every weight is a smooth curve over the time ahead
    and over the experiment's clock (cosines, the wavier the more penalised), so that irregular times cost nothing
    and a history can mean one thing early in an experiment and another late. The penalty is chosen by cross-validation
    over draws: for each channel, or, of more than four, for four of them, whose geometric mean serves the others.

    Parameters
    ----------
    scale
        ``"auto"`` shows positive channels that span decades in logarithms too; ``"linear"`` does not; ``"log"``
        forecasts them in logarithms, for when relative errors are what matters.
    """

    scale: str = "auto"

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def learn(self, lesson: Lesson) -> MovingWeights:
        """Solve for the weights of every channel."""
        past = lesson.windows
        preparation = Preparation.learn(lesson, self.scale)
        summary = preparation.summary(past)
        target = preparation.scaling.scaled(past.target)
        counts = _cosine_counts(preparation, past)
        elapsed = cosines(preparation.elapsed(past), counts[0])
        ahead = cosines(preparation.ahead(past), counts[1])
        rotation = _components(summary)
        folds = _folds(past)
        owner = preparation.channel_of_feature()

        def sums(channel: int, folds: np.ndarray) -> _Sums:
            features = _features(summary, rotation, owner == channel)
            return _Sums.of(_moving(features, elapsed), ahead, target[..., channel], folds)

        count, weights, penalties = len(past.channels), {}, []
        for channel in np.unique(np.linspace(0, count - 1, min(_TRIED, count)).round().astype(int)):
            tried = sums(channel, folds)
            penalties.append(tried.best_penalty(counts))
            weights[channel] = tried.solve(penalties[-1] * tried.smooth(counts))
        log.debug("ridge: penalties %s for channels %s", penalties, list(weights))
        usual = float(np.exp(np.mean(np.log(penalties))))
        for channel in set(range(count)) - set(weights):
            whole = sums(channel, np.zeros_like(folds))
            weights[channel] = whole.solve(usual * whole.smooth(counts))
        curves = tuple(weights[channel].reshape(counts[1], -1) for channel in range(count))
        return MovingWeights(preparation, rotation, counts, curves)


@dataclass(frozen=True, eq=False)
class MovingWeights:
    """`Ridge`, fitted.

    Parameters
    ----------
    preparation
        How windows become features.
    rotation
        Principal directions of the summary (feature, component).
    counts
        Cosines over the clock, and over the time ahead.
    weights
        For each channel (cosine ahead, cosine of the clock x feature).
    """

    preparation: Preparation
    rotation: np.ndarray
    counts: tuple[int, int]
    weights: tuple[np.ndarray, ...]

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel)."""
        summary = self.preparation.summary(past)
        elapsed = cosines(self.preparation.elapsed(past), self.counts[0])
        ahead = cosines(self.preparation.ahead(past), self.counts[1])
        answers = []
        for channel, weights in enumerate(self.weights):
            features = _features(summary, self.rotation, self.preparation.channel_of_feature() == channel)
            curves = _moving(features, elapsed) @ weights.T
            answers.append((ahead @ curves[..., None])[..., 0])
        return self.preparation.scaling.unscaled(np.stack(answers, axis=-1))


@dataclass(frozen=True, eq=False)
class _Sums:
    """Normal equations of one channel, kept apart by fold: products (fold, p, p), right sides (fold, p), counts."""

    products: np.ndarray
    right: np.ndarray
    count: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, moving: np.ndarray, ahead: np.ndarray, target: np.ndarray, folds: np.ndarray) -> _Sums:
        """Sum over windows and times ahead, without ever writing out a row for each of them."""
        measured = np.isfinite(target)
        filled = np.where(measured, target, 0.0)
        n, k, f = folds.max() + 1, ahead.shape[2], moving.shape[1]
        products, right = np.zeros((n, k, f, k, f)), np.zeros((n, k, f))
        for fold in range(n):
            rows = folds == fold
            x, curves, seen = moving[rows], ahead[rows], measured[rows]
            right[fold] = (filled[rows, None] @ curves)[:, 0].T @ x
            for i in range(k):
                for j in range(i, k):
                    weight = (seen * curves[..., i] * curves[..., j]).sum(axis=1)
                    products[fold, i, :, j] = products[fold, j, :, i] = x.T @ (x * weight[:, None])
        p = k * f
        count = np.array([measured[folds == fold].sum() for fold in range(n)])
        square = np.array([(filled[folds == fold] ** 2).sum() for fold in range(n)])
        return cls(products.reshape(n, p, p), right.reshape(n, p), count, square)

    def solve(self, penalty: np.ndarray, without: int | None = None) -> np.ndarray:
        """Return the weights (p,), from all folds or from all but one."""
        from scipy.linalg import cho_factor, cho_solve

        products, right, count = (
            total.sum(axis=0) - (0 if without is None else total[without])
            for total in (self.products, self.right, self.count)
        )
        products[np.diag_indices_from(products)] += penalty * max(count, 1)
        return cho_solve(cho_factor(products, overwrite_a=True, check_finite=False), right, check_finite=False)

    def smooth(self, counts: tuple[int, int]) -> np.ndarray:
        """Return the relative penalty of every weight: the wavier its curve, the more; next to none for the level."""
        clock, ahead = counts
        waves = 1.0 + np.arange(ahead)[:, None, None] ** 2 + np.arange(clock)[:, None] ** 2
        penalty = waves * np.ones(self.right.shape[1] // (clock * ahead))
        penalty[..., -1] *= 0.01
        return penalty.ravel()

    def best_penalty(self, counts: tuple[int, int]) -> float:
        """Return the penalty with the least error on the folds that the weights were not solved on."""
        smooth = self.smooth(counts)
        # The error has one valley: walk down from the middle, rather than try them all.
        errors: dict[int, float] = {}
        best, walked = len(_PENALTIES) // 2, -1
        while best != walked:
            walked = best
            for at in range(max(best - 1, 0), min(best + 2, len(_PENALTIES))):
                if at not in errors:
                    errors[at] = self.held_out_error(_PENALTIES[at] * smooth)
            best = min(errors, key=errors.get)
        return float(_PENALTIES[best])

    def held_out_error(self, penalty: np.ndarray) -> float:
        """Return the sum of squared errors on each fold, by the weights solved on all others."""
        total = 0.0
        for fold in range(len(self.count)):
            w = self.solve(penalty, without=fold)
            total += self.square[fold] - 2 * w @ self.right[fold] + w @ self.products[fold] @ w
        return float(total)


def _cosine_counts(preparation: Preparation, past: Windows) -> tuple[int, int]:
    """Cosines over the clock, and over the time ahead: more for a longer horizon, and some 15 weights in all."""
    ahead = int(np.clip(past.query_times.shape[1] // 3, 3, 6))
    clock = max(3, 15 // ahead)
    distinct = (len(np.unique(times.round(6))) for times in (preparation.elapsed(past), preparation.ahead(past)))
    return tuple(min(pair) for pair in zip((clock, ahead), distinct, strict=True))


def _features(summary: np.ndarray, rotation: np.ndarray, own: np.ndarray) -> np.ndarray:
    """What a channel is regressed on: all about itself, the gist of the others, and 1 (window, feature)."""
    return np.concatenate([summary[:, own], summary @ rotation, np.ones((len(summary), 1))], axis=1)


def _moving(features: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
    return (elapsed[:, :, None] * features[:, None, :]).reshape(len(features), -1)


def _components(summary: np.ndarray) -> np.ndarray:
    """The directions (feature, component) in which summaries differ most."""
    _, directions = np.linalg.eigh(summary.T @ summary / len(summary))
    return directions[:, ::-1][:, :_COMPONENTS]


def _folds(past: Windows) -> np.ndarray:
    """The fold of every window: whole draws; pieces of the time course where there is one draw only."""
    groups, index = np.unique(past.draw, return_inverse=True)
    if len(groups) == 1:
        index = (np.argsort(np.argsort(past.origin, kind="stable"), kind="stable") * _FOLDS) // len(past)
    return np.unique(index % _FOLDS, return_inverse=True)[1]


@dataclass(frozen=True)
class RandomForest(Forecaster):
    """scikit-learn's random forest on the same summary, the time ahead and the clock.

    Strong with tens to hundreds of draws, and it needs no tuning. It never forecasts beyond what it has seen.

    Parameters
    ----------
    trees
        How many trees for each channel.
    jobs
        How many threads grow them; this changes no forecast.
    scale
        As in `Ridge`; of two scales, trees are shown that of the answer.
    """

    trees: int = 60
    jobs: int = 1
    scale: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.trees, Integral) or self.trees < 1:
            raise ValueError(f"trees must be a whole number, one or more, got {self.trees!r}.")
        check_scale(self.scale)

    def learn(self, lesson: Lesson) -> Forest:
        """Grow a forest for every channel."""
        from sklearn.ensemble import RandomForestRegressor

        past = lesson.windows
        preparation = Preparation.learn(lesson, self.scale)
        target = preparation.scaling.scaled(past.target)
        rows = _tree_rows(preparation, past)
        forests = []
        for channel in range(len(past.channels)):
            answer = target[..., channel].ravel()
            measured = np.isfinite(answer)
            if not measured.any():  # only ever measured before the first origin: the mean is all there is to learn
                answer, measured = np.zeros_like(answer), ~measured
            forest = RandomForestRegressor(
                self.trees,
                min_samples_leaf=3,
                max_features=0.5,
                max_samples=min(_ROWS_OF_A_TREE, int(measured.sum())),
                random_state=np.random.RandomState(np.random.SeedSequence((lesson.seed, channel)).generate_state(4)),
                n_jobs=self.jobs,
            ).fit(rows[measured], answer[measured])
            # Several threads would add up the trees in any order, and so change the last bit.
            forests.append(forest.set_params(n_jobs=1))
        return Forest(preparation, tuple(forests))


_ROWS_OF_A_TREE = 15_000


@dataclass(frozen=True, eq=False)
class Forest:
    """`RandomForest`, fitted: how windows become rows, and one of scikit-learn's forests for each channel."""

    preparation: Preparation
    forests: tuple

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel)."""
        rows = _tree_rows(self.preparation, past)
        answers = [forest.predict(rows).reshape(past.query_times.shape) for forest in self.forests]
        return self.preparation.scaling.unscaled(np.stack(answers, axis=-1))


def _tree_rows(preparation: Preparation, past: Windows) -> np.ndarray:
    """One row for each window and time ahead: summary, clock at the origin, time ahead, clock there."""
    summary = preparation.summary(past)[:, preparation.on_answer_scale()]
    window = np.concatenate([summary, preparation.elapsed(past)[:, None]], axis=1)
    steps = past.query_times.shape[1]
    ahead = preparation.ahead(past).reshape(-1, 1)
    clock = preparation.queries(past)[..., -1].reshape(-1, 1)
    return np.concatenate([np.repeat(window, steps, axis=0), ahead, clock], axis=1).astype(np.float32)
