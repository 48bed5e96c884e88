"""One self-contained page: which forecaster to trust, pictures, tables, and how it was made."""

from __future__ import annotations

import base64
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from sbml_hybrid.benchmarking.runner import PERFECT
from sbml_hybrid.benchmarking.statistics import errors, summary
from sbml_hybrid.data.dataset import succeeded
from sbml_hybrid.data.store import write_whole
from sbml_hybrid.data.units import time_unit
from sbml_hybrid.measurement.noise import noise_from_dict
from sbml_hybrid.reporting import words
from sbml_hybrid.reporting.figures import Examples, Figure, write_figures
from sbml_hybrid.wording import duration


@dataclass(frozen=True)
class Story:
    """All that a report tells.

    Parameters
    ----------
    title
        Its heading.
    data
        The whole dataset, before it was split.
    scores
        The table of `benchmark`, with its costs in `attrs`.
    examples
        Where the forecasts are that the pictures show.
    rivals
        The forecasters by name; the first sentence of each one's docstring tells who they are.
    model, mechanism
        The model that made the data and the wrong one beside it, where there are any.
    made
        How it was made: lines of a table, by their heading.
    source
        The study file's text.
    """

    title: str
    data: xr.Dataset
    scores: pd.DataFrame
    examples: Examples
    rivals: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    mechanism: Any = None
    made: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def against(self) -> str:
        """What the headline's errors are against: the truth where it is known, else the measurements."""
        return "truth" if (self.scores["against"] == "truth").any() else "measurement"


def write_report(story: Story, path: str | Path) -> Path:
    """Write the page, and the figures in the folder ``figures`` beside it.

    Parameters
    ----------
    story
        All that it tells.
    path
        The HTML file. It holds its pictures: it can be sent as it is.
    """
    path = Path(path)
    ranking = summary(story.scores, against=story.against)
    figures = write_figures(path.parent / "figures", story.data, story.scores, ranking, story.against, story.examples)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=story.title,
            verdict=words.verdict(ranking, story.scores, story.against),
            facts=_facts(story),
            ranking=_bars(ranking, story.scores, story.against),
            figures=figures,
            target="the noise-free values" if story.against == "truth" else "the measurements",
            who={name: _first_sentence(rival) for name, rival in story.rivals.items()},
            models=_models(story),
            made=story.made,
            source=story.source,
        )
    )
    write_whole({"": page.encode()}, path)
    return path


def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sbml_hybrid.reporting", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["embedded"] = _embedded
    return environment


def _embedded(figure: Figure) -> str:
    """The picture as the address of an image; as an image, so that the ids inside two pictures cannot clash."""
    return "data:image/svg+xml;base64," + base64.b64encode(figure.path.read_bytes()).decode()


def _first_sentence(rival: Any) -> str:
    text = " ".join((inspect.getdoc(type(rival)) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", text)[0]


def _facts(story: Story) -> list[str]:
    """What the study is about, in a line of short facts."""
    data, scores = story.data, story.scores
    trained, held = int(scores["n_train"].iloc[0]), scores["draw"].nunique()
    failed = data.sizes["trajectory"] - succeeded(data).sizes["trajectory"]
    unit = time_unit(data)
    names = data["observable"].values.tolist()
    facts = [
        ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else ""),
        f"{trained} experiments to learn from, {held} held out",
        f"{story.examples.lookback} time points seen, {story.examples.horizon} forecast",
        _noise(data),
        f"{words.percent(1 - scores['missing'].iloc[0])} of the points measured",
    ]
    if unit:
        facts.append(f"time in {unit}")
    if failed:
        facts.append(f"{failed} simulations failed and are left out")
    return [fact for fact in facts if fact]


def _noise(data: xr.Dataset) -> str:
    try:
        return words.noise(noise_from_dict(json.loads(data.attrs.get("noise", "{}"))))
    except (AttributeError, KeyError, TypeError, ValueError):  # a note of the user's own, or a plug-in that is not here
        return ""


def _bars(ranking: pd.DataFrame, scores: pd.DataFrame, against: str) -> dict[str, Any]:
    """Rows of the ranking, with positions on a common scale in percent of the bar's width."""
    costs = scores.attrs.get("costs", {})
    finite = ranking[["error", "high"]].max(axis=1)
    widest = min(
        float(finite.max()), 3 * float(ranking["error"].median())
    )  # one that went astray must not hide the rest
    rows = []
    for _, row in ranking.iterrows():
        cost = costs.get(_title_of_cell(row), {})
        rows.append(
            {
                "name": row["forecaster"],
                "mechanism": {"true": "knows the true equations", "wrong": "knows a wrong mechanism",
                              "assumed": "knows an assumed mechanism"}.get(row["mechanism"], ""),
                "oracle": row["oracle"],
                "naive": row["forecaster"] in words.NAIVE,
                "counts": row["counts"],
                "near_best": row["near_best"],
                "error": words.percent(row["error"], ""),
                "interval": words.interval(row["low"], row["high"]),
                "skill": words.percent(row["skill"]),
                "wins": words.percent(row["win_rate"]),
                "seconds": duration(cost["fit_wall"]) if cost else "",
                "at": _place(row["error"], widest),
                "from": _place(row["low"], widest),
                "to": _place(row["high"], widest),
                "beyond": row["error"] > widest,
            }
        )  # fmt: skip
    naive = ranking.loc[ranking["forecaster"] == words.PERSISTENCE, "error"].iloc[0]
    noise = None
    if against == "measurement" and (scores["forecaster"] == PERFECT).any():
        noise = _place(errors(scores[scores["forecaster"] == PERFECT], against="measurement")["value"].iloc[0], widest)
    return {"rows": rows, "naive": _place(naive, widest), "noise": noise, "timed": any(row["seconds"] for row in rows)}


def _title_of_cell(row: pd.Series) -> str:
    return row["forecaster"] if row["mechanism"] == "none" else f"{row['forecaster']}, {row['mechanism']} mechanism"


def _place(value: float, widest: float) -> float | None:
    return None if pd.isna(value) else round(min(100 * value / widest, 100.0), 2)


def _models(story: Story) -> list[dict[str, Any]]:
    """The tables of the model, and of the wrong mechanism beside it."""
    roles = [(story.model, "The model that made the data"), (story.mechanism, "The wrong mechanism beside it")]
    return [
        {
            "role": role,
            "title": model.describe().title,
            "counts": model.describe().counts,
            "tables": model.describe().tables,
        }
        for model, role in roles
        if model is not None
    ]
