"""What a ranking says, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sbml_hybrid.benchmarking.runner import PERFECT, PERSISTENCE, SERIES_MEAN
from sbml_hybrid.benchmarking.statistics import errors
from sbml_hybrid.measurement.noise import (
    AdjustingMean,
    Autocorrelated,
    Growing,
    InSequence,
    Linear,
    Lognormal,
    NegativeBinomial,
    Noise,
    Normal,
    OneOf,
    PerObservable,
    Poisson,
)

NAIVE = (PERSISTENCE, SERIES_MEAN)
PLAIN = {PERSISTENCE: "repeating the last measured value", SERIES_MEAN: "the mean of what was measured so far"}


@dataclass(frozen=True)
class Verdict:
    """The headline of a report: whom to trust, how good that is, and what else is as good."""

    headline: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


def verdict(ranking: pd.DataFrame, scores: pd.DataFrame, against: str) -> Verdict:
    """Say what a ranking by `nrmse_sd` means for the lab.

    Parameters
    ----------
    ranking, scores
        What `summary` and `benchmark` gave.
    against
        What the ranking's errors are against: ``"truth"`` or ``"measurement"``.
    """
    counted = ranking[ranking["counts"]]
    best = counted.iloc[0]
    twins = [title(row) for _, row in counted[counted["near_best"]].iloc[1:].iterrows()]
    target = "the noise-free values" if against == "truth" else "the next measurements"
    who = "held out, that misses" if best["forecaster"] in NAIVE else "it had never seen, its forecasts miss"
    size = f"On experiments {who} {target} by {percent(best['error'])}"
    size += _bracketed(interval(best["low"], best["high"], "\u00a0%"))
    sentences = [size + " of the spread between the training experiments.", _gain(best)]
    if twins:
        sentences.append(f"No clear difference to it: {_listed(twins)}.")
    sentences += _floor(scores) + _with_equations(ranking)
    return Verdict(_headline(best), tuple(s for s in sentences if s), tuple(_cautions(ranking, best, scores, against)))


def title(row: pd.Series) -> str:
    """Return a row's forecaster, with its mechanism where it has one."""
    said = {
        "true": " with the true equations",
        "wrong": " with a wrong mechanism",
        "assumed": " with an assumed mechanism",
    }
    return row["forecaster"] + said.get(row["mechanism"], "")


def percent(value: float, unit: str = "\u00a0%") -> str:
    """Return a share as a percentage with two digits that count: 0.073 is ``7.3 %``."""
    if pd.isna(value):
        return "–"
    digits = 1 if abs(100 * value) < 9.95 else 0
    return f"{100 * value:.{digits}f}".replace("-", "−") + unit


def noise(model: Noise) -> str:
    """Return a noise model in a few words: ``10 % measurement noise``; nothing for another package's."""
    match model:
        case Lognormal(cv=cv):
            return f"{percent(cv)} measurement noise"
        case Normal(sd=sd):
            return f"measurement noise of sd {sd:g}"
        case Linear(a=a, b=b):
            return f"measurement noise of sd {a:g} + {percent(b)} of the value"
        case Poisson(scale=scale):
            return f"counting noise at {scale:g} counts a unit"
        case NegativeBinomial(scale=scale, dispersion=dispersion):
            return f"counting noise at {scale:g} counts a unit, with dispersion {dispersion:g}"
        case Growing(start=start, end=end, until=until, relative=relative):
            first, last = (percent(start), percent(end)) if relative else (f"sd {start:g}", f"sd {end:g}")
            return f"measurement noise from {first} to {last} at time {until:g}"
        case AdjustingMean(weight=weight):
            return f"readouts {percent(weight)} nearer to the mean of their series"
        case Autocorrelated(noise=inner, time=time):
            return f"{noise(inner)}, autocorrelated over {time:g} units of time"
        case PerObservable(noises=noises, default=default):
            each = [f"{name}: {noise(one)}" for name, one in noises.items()]
            return "; ".join(each + ([f"others: {noise(default)}"] if default else []))
        case OneOf(noises=noises, shares=shares, per=per):
            each = [f"{noise(one)} ({percent(share)})" for one, share in zip(noises, shares, strict=True)]
            return f"for each {per} {' or '.join(each)}"
        case InSequence(noises=noises):
            return ", then ".join(map(noise, noises))
    return ""


def interval(low: float, high: float, unit: str = "") -> str:
    """Return an interval of shares in percent, or nothing where there is none."""
    return f"{percent(low, '')}–{percent(high, unit)}" if pd.notna(low) else ""


def ranking_text(ranking: pd.DataFrame) -> str:
    """Return a ranking as a table for a terminal; errors in percent of the spread between training experiments."""
    rows = [("", "forecaster", "error", "95 % interval", "error saved", "")]
    place = 0
    for _, row in ranking.iterrows():
        place += int(row["counts"])
        note = "*" if row["near_best"] else "" if row["counts"] else "does not count"
        rows.append(
            (
                str(place) if row["counts"] else "-",
                title(row),
                percent(row["error"]),
                interval(row["low"], row["high"]),
                percent(row["skill"]),
                note,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if number in (1, 5) else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    # Plain characters: not every terminal has the others.
    return "\n".join(lines).replace("\u00a0", " ").replace("–", "-").replace("−", "-")


def _headline(best: pd.Series) -> str:
    if best["forecaster"] in NAIVE:
        return f"None of the forecasters beats {PLAIN[best['forecaster']]}"
    return f"Trust {best['forecaster']}" + (", even with a wrong mechanism" if best["mechanism"] == "wrong" else "")


def _gain(best: pd.Series) -> str:
    if best["forecaster"] == PERSISTENCE or pd.isna(best["skill"]):
        return ""
    naive = PLAIN[PERSISTENCE]
    if pd.notna(best["skill_low"]) and best["skill_low"] <= 0:
        return f"That is not shown to be better than {naive}."
    if best["skill"] <= 0:
        return f"That is no better than {naive}."
    known = _bracketed(interval(best["skill_low"], best["skill_high"], "\u00a0%"))
    return f"Compared with {naive}, it saves {percent(best['skill'])}{known} of the error that is not mere noise."


def _floor(scores: pd.DataFrame) -> list[str]:
    perfect = scores[scores["forecaster"] == PERFECT]
    if perfect.empty:
        return []
    noise = errors(perfect, against="measurement")["value"].iloc[0]
    return [f"For comparison, the measurement noise itself is {percent(noise)} of that spread."]


def _with_equations(ranking: pd.DataFrame) -> list[str]:
    said = []
    for name, rows in ranking[ranking["mechanism"].isin(["true", "wrong"])].groupby("forecaster", sort=False):
        found = rows.set_index("mechanism")["error"]
        if {"true", "wrong"} <= set(found.index):
            said.append(
                f"{_capital(name)} knows a mechanism: it misses by {percent(found['true'])} with the very equations "
                f"that made the data, and by {percent(found['wrong'])} with a wrong mechanism, as a lab's always is."
            )
    return said


def _cautions(ranking: pd.DataFrame, best: pd.Series, scores: pd.DataFrame, against: str) -> list[str]:
    said = []
    draws = scores["draw"].nunique()
    if ranking["low"].isna().all():
        reason = "only few experiments were held out" if draws < 5 else "the draws of this design are not independent"
        said.append(f"No intervals are given, because {reason}.")
    elif draws < 20:
        said.append(f"Only {draws} experiments were held out, so the intervals are rough.")
    late = _where_naive_wins(scores, best, against)
    if late:
        said.append(late)
    if ranking["oracle"].any():
        said.append("The forecasters were given kinetic parameters (“oracle”), which a lab does not know.")
    if not ranking["mechanism"].isin(["wrong"]).any() and ranking["mechanism"].isin(["true"]).any():
        said.append(
            "Forecasters with the true equations are left out of the headline: nobody in a lab has them. Name a wrong "
            "mechanism in the study to see how they fare without."
        )
    alike = "sampling, noise and range of parameters" if against == "truth" else "sampling and conditions"
    said.append(f"This holds for experiments like these: the same observables, {alike}.")
    return said


def _where_naive_wins(scores: pd.DataFrame, best: pd.Series, against: str) -> str:
    if best["forecaster"] == PERSISTENCE:
        return ""
    table = errors(scores, ["forecaster", "mechanism", "origin"], against=against)
    mine = table[(table["forecaster"] == best["forecaster"]) & (table["mechanism"] == best["mechanism"])]
    naive = table[table["forecaster"] == PERSISTENCE]
    both = mine.merge(naive, on="origin", suffixes=("", "_naive"))
    lost = both[both["value"] >= both["value_naive"]]["origin"]
    if lost.empty:
        return ""
    times = _listed([f"{time:g}" for time in sorted(lost)[:6]])
    return f"For forecasts that start at time {times}, {PLAIN[PERSISTENCE]} is as good: little happens there."


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
