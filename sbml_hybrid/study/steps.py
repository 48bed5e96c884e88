"""The steps of a study, in their order; what is done is not done again."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from sbml_hybrid import plots
from sbml_hybrid.benchmarking.fingerprints import environment, fingerprint
from sbml_hybrid.benchmarking.runner import benchmark
from sbml_hybrid.benchmarking.statistics import summary
from sbml_hybrid.data.dataset import split, succeeded
from sbml_hybrid.data.overview import Overview, overview
from sbml_hybrid.data.store import open as open_dataset
from sbml_hybrid.reporting.figures import Examples
from sbml_hybrid.reporting.report import Story, write_report
from sbml_hybrid.simulation.priors import Table
from sbml_hybrid.study.estimate import REPORT, seconds_to_learn
from sbml_hybrid.study.file import Study, read_study
from sbml_hybrid.study.folder import Folder
from sbml_hybrid.study.method import how, settings_of, versions
from sbml_hybrid.study.plan import Plan, make_plan
from sbml_hybrid.study.recipe import Recipe, make_recipe
from sbml_hybrid.study.sections import Benchmark, Split
from sbml_hybrid.wording import duration

log = logging.getLogger("sbml_hybrid")


@dataclass(frozen=True)
class Outcome:
    """What a study gave: the ranking and the table behind it, and where the rest lies."""

    folder: Path
    ranking: pd.DataFrame
    scores: pd.DataFrame
    report: Path


@dataclass(frozen=True)
class Generated:
    """The data that a study made: where it lies, and what came of its simulations."""

    folder: Path
    data: Path
    overview: Overview


@dataclass(frozen=True)
class Contest:
    """A benchmark to be run and told: a dataset, who takes part, and what the report says about it."""

    title: str
    data: xr.Dataset
    rivals: Mapping[str, Any]
    split: Split
    benchmark: Benchmark
    model: Any
    mechanism: Any
    source: str
    made: Mapping[str, str]


def generate(path: str | Path, folder: str | Path | None = None) -> Generated:
    """Make the data of a study file, and nothing else: simulate, measure; the same call goes on where one stopped.

    Parameters
    ----------
    path
        The study file (TOML); it needs no ``[benchmark]``.
    folder
        Where the results go; ``runs/<name of the study>`` under the current folder by default.

    Returns
    -------
    Generated
        Its `data` is the measured dataset (``data.zarr``), beside ``truth.zarr``, a picture and a log.

    Raises
    ------
    StudyError
        If the study asks for something that cannot be done, or the folder holds something else.
    """
    study = read_study(path)
    recipe = make_recipe(study)
    with _claimed(study, folder) as kept, _logged(kept.path / "log.txt"):
        kept.write("study.toml", study.text.encode())
        log.info("%s: %s", study.name, recipe.cost)
        _made(kept, recipe)
        told = overview(kept.path / "truth.zarr")
        plots.overview(kept.path / "truth.zarr").save(kept.path / "overview.png")
    return Generated(kept.path, kept.path / "data.zarr", told)


def run_study(path: str | Path, folder: str | Path | None = None) -> Outcome:
    """Run a study file: simulate, measure, benchmark, report; the same call goes on where an earlier one stopped.

    Parameters
    ----------
    path
        The study file (TOML).
    folder
        Where the results go; ``runs/<name of the study>`` under the current folder by default.

    Returns
    -------
    Outcome
        Its `report` is the page to open; `folder` holds the dataset (``data.zarr``), the scores, the figures and a log.

    Raises
    ------
    StudyError
        If the study asks for something that cannot be done, or the folder holds something else.
    """
    study = read_study(path)
    plan = make_plan(study)
    with _claimed(study, folder) as kept, _logged(kept.path / "log.txt"):
        kept.write("study.toml", study.text.encode())
        _announce(kept, plan)
        data = _made(kept, plan.recipe)
        contest = Contest(
            study.title,
            data,
            plan.rivals,
            study.split,
            study.benchmark,
            plan.recipe.model,
            plan.mechanism,
            study.text,
            how(plan, data),
        )
        return _contest(kept, contest)


def run_benchmark(
    path: str | Path,
    data: xr.Dataset,
    rivals: Mapping[str, Any],
    settings: Benchmark,
    held_out: Split,
    folder: str | Path,
    model: Any = None,
    mechanism: Any = None,
) -> Outcome:
    """Benchmark forecasters on a dataset of one's own, with the same report and as resumable as a study.

    Parameters
    ----------
    path
        Where the dataset came from.
    data
        The dataset.
    rivals, settings, held_out
        Who takes part, how, and which share of the draws is held out.
    folder
        Where the results go.
    model, mechanism
        The model that made the data and a wrong one, where there are any.
    """
    path = Path(path)
    claimed = Folder.claim(folder, f"benchmark of {path.name}", path, fingerprint(data))
    with claimed as kept, _logged(kept.path / "log.txt"):
        made = {
            "Dataset": f"{path.name}, fingerprint {fingerprint(data)}",
            **settings_of(settings, held_out),
            **versions(),
        }
        title = f"Who forecasts {path.stem} best?"
        return _contest(kept, Contest(title, data, rivals, held_out, settings, model, mechanism, "", made))


def _claimed(study: Study, folder: str | Path | None) -> contextlib.AbstractContextManager[Folder]:
    place = Path("runs") / study.name if folder is None else folder
    return Folder.claim(place, study.name, study.path, fingerprint(study.text))


def _marks(recipe: Recipe) -> tuple[str, str]:
    """The fingerprints of what the truth and the data are made by."""
    tables = [law.hash for law in recipe.draws.priors.values() if isinstance(law, Table)]
    made_by = (recipe.model.hash, recipe.study.simulate, tables, environment())
    return fingerprint("truth", *made_by), fingerprint("data", *made_by, recipe.study.measure)


def _made(kept: Folder, recipe: Recipe) -> xr.Dataset:
    truth_mark, data_mark = _marks(recipe)
    return _data(kept, recipe, _truth(kept, recipe, truth_mark), data_mark)


def _truth(kept: Folder, recipe: Recipe, mark: str) -> xr.Dataset:
    place = kept.path / "truth.zarr"
    if kept.done("truth", mark) and place.is_dir():
        log.info("truth: kept from before")
        return open_dataset(place)
    if not kept.done("truth begun", mark):
        shutil.rmtree(place, ignore_errors=True)
        kept.finish("truth begun", mark)
    truth = recipe.simulate(place)
    kept.finish("truth", mark)
    failed = truth.sizes["trajectory"] - succeeded(truth).sizes["trajectory"]
    log.info("truth: %d trajectories%s", truth.sizes["trajectory"], f", {failed} failed" if failed else "")
    return truth


def _data(kept: Folder, recipe: Recipe, truth: xr.Dataset, mark: str) -> xr.Dataset:
    place = kept.path / "data.zarr"
    if kept.done("data", mark) and place.is_dir():
        log.info("data: kept from before")
    else:
        if not kept.done("data begun", mark):
            shutil.rmtree(place, ignore_errors=True)
            kept.finish("data begun", mark)
        recipe.measure(truth, place)
        kept.finish("data", mark)
        log.info("data: measured")
    # Read back, so that a run that goes on computes with the very bytes that the first one did.
    return open_dataset(place)


def _contest(kept: Folder, contest: Contest) -> Outcome:
    train, test = split(contest.data, contest.split.test, seed=contest.split.seed, by=contest.split.by)
    asked = contest.benchmark
    cells = kept.path / "cells"
    scores = benchmark(
        contest.rivals,
        train,
        test,
        lookback=asked.lookback,
        horizon=asked.horizon,
        known=asked.known,
        mechanism=contest.mechanism,
        seed=asked.seed,
        folder=cells,
    )
    against = "truth" if (scores["against"] == "truth").any() else "measurement"
    ranking = summary(scores, against=against)
    report = kept.path / "report.html"
    mark = fingerprint(contest, environment())
    if kept.done("report", mark) and report.is_file():
        log.info("report: kept from before")
    else:
        _write_tables(kept, scores)
        story = Story(
            title=contest.title,
            data=contest.data,
            scores=scores,
            examples=Examples(cells, succeeded(test), asked.lookback, asked.horizon),
            rivals=contest.rivals,
            model=contest.model,
            mechanism=contest.mechanism,
            made=contest.made,
            source=contest.source,
        )
        write_report(story, report)
        kept.finish("report", mark)
        log.info("report: written")
    return Outcome(kept.path, ranking, scores, report)


def _write_tables(kept: Folder, scores: pd.DataFrame) -> None:
    plain, content = scores.copy(), io.BytesIO()
    del plain.attrs["costs"]  # seconds differ from run to run, and the scores must not
    plain.to_parquet(content, index=False)
    kept.write("scores.parquet", content.getvalue())
    tables = [summary(scores, against=one).assign(against=one) for one in scores["against"].unique()]
    kept.write("summary.csv", pd.concat(tables).to_csv(index=False).encode())
    costs = pd.DataFrame(scores.attrs["costs"]).T.rename_axis("forecaster")
    kept.write("costs.csv", costs.to_csv().encode())


def _announce(kept: Folder, plan: Plan) -> None:
    study, asked, recipe = plan.study, plan.study.benchmark, plan.recipe
    truth_mark, data_mark = _marks(recipe)
    seconds = REPORT if kept.done("truth", truth_mark) else REPORT + recipe.cost.seconds
    cells, ready = plan.cells, kept.done("data", data_mark)
    left = [cell for cell in cells if not (ready and (kept.path / "cells" / cell.file).is_file())]
    n_train = round(len(recipe.draws) * (1 - study.split.test))
    forecasters = [cell.forecaster for cell in left]
    seconds += seconds_to_learn(forecasters, n_train, recipe.points, asked.lookback, asked.horizon)
    said = f"{len(cells) - len(left)} of them are done already. " if len(left) < len(cells) else ""
    log.info(
        "%s: %d draws of %s, %d time points, %d forecasters to rank. %sThis takes about %s.",
        study.name,
        len(recipe.draws),
        recipe.model.source,
        recipe.points,
        len(cells),
        said,
        duration(seconds),
    )


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Keep what is logged in a file as well, with times."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = log.level
    log.addHandler(handler)
    if log.getEffectiveLevel() > logging.INFO:
        log.setLevel(logging.INFO)
    try:
        yield
    except BaseException as error:
        # For the file alone: whoever called decides what to show.
        stopped = isinstance(error, KeyboardInterrupt)
        level, said, trace = (logging.INFO, "stopped", None) if stopped else (logging.ERROR, "failed", sys.exc_info())
        handler.handle(log.makeRecord(log.name, level, __file__, 0, said, (), trace))
        raise
    finally:
        log.setLevel(before)
        log.removeHandler(handler)
        handler.close()
