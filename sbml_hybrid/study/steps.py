"""The steps of a study, in their order; what is done is not done again."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from sbml_hybrid.benchmarking.fingerprints import environment, fingerprint
from sbml_hybrid.benchmarking.runner import benchmark
from sbml_hybrid.benchmarking.statistics import summary
from sbml_hybrid.data.dataset import split, succeeded
from sbml_hybrid.data.store import open as open_dataset
from sbml_hybrid.data.store import save
from sbml_hybrid.reporting.figures import Examples
from sbml_hybrid.reporting.report import Story, write_report
from sbml_hybrid.study.estimate import REPORT, seconds_to_learn
from sbml_hybrid.study.file import Benchmark, Split, read_study
from sbml_hybrid.study.folder import Folder
from sbml_hybrid.study.plan import Plan, make_plan
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
    place = Path("runs") / study.name if folder is None else Path(folder)
    kept = Folder.claim(place, study.name, study.path, fingerprint(study.text))
    with _logged(kept.path / "log.txt"):
        kept.write("study.toml", study.text.encode())
        made_by = (plan.model.hash, study.simulate, environment())
        truth_mark, data_mark = fingerprint("truth", *made_by), fingerprint("data", *made_by, study.measure)
        _announce(kept, plan, truth_mark, data_mark)
        data = _data(kept, plan, _truth(kept, plan, truth_mark), data_mark)
        contest = Contest(
            study.title,
            data,
            plan.rivals,
            study.split,
            study.benchmark,
            plan.model,
            plan.mechanism,
            study.text,
            _how(plan, data),
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
    kept = Folder.claim(Path(folder), f"benchmark of {path.name}", path, fingerprint(data))
    with _logged(kept.path / "log.txt"):
        made = {
            "Dataset": f"{path.name}, fingerprint {fingerprint(data)}",
            **_settings_of(settings, held_out),
            **_versions(),
        }
        title = f"Who forecasts {path.stem} best?"
        return _contest(kept, Contest(title, data, rivals, held_out, settings, model, mechanism, "", made))


def _truth(kept: Folder, plan: Plan, mark: str) -> xr.Dataset:
    place = kept.path / "truth.zarr"
    if kept.done("truth", mark) and place.is_dir():
        log.info("truth: kept from before")
        return open_dataset(place)
    if not kept.done("truth begun", mark):
        shutil.rmtree(place, ignore_errors=True)
        kept.finish("truth begun", mark)
    truth = plan.simulate(place)
    kept.finish("truth", mark)
    failed = truth.sizes["trajectory"] - succeeded(truth).sizes["trajectory"]
    log.info("truth: %d trajectories%s", truth.sizes["trajectory"], f", {failed} failed" if failed else "")
    return truth


def _data(kept: Folder, plan: Plan, truth: xr.Dataset, mark: str) -> xr.Dataset:
    place = kept.path / "data.zarr"
    if kept.done("data", mark) and place.is_dir():
        log.info("data: kept from before")
    else:
        save(plan.measure(truth), place, overwrite=True)
        kept.finish("data", mark)
        log.info("data: measured")
    # Read back, so that a run that goes on computes with the very bytes that the first one did.
    return open_dataset(place)


def _contest(kept: Folder, contest: Contest) -> Outcome:
    train, test = split(contest.data, contest.split.test, seed=contest.split.seed)
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


def _announce(kept: Folder, plan: Plan, truth_mark: str, data_mark: str) -> None:
    study, asked = plan.study, plan.study.benchmark
    seconds = REPORT if kept.done("truth", truth_mark) else REPORT + plan.seconds_to_simulate / study.jobs
    cells, ready = plan.cells, kept.done("data", data_mark)
    left = [cell for cell in cells if not (ready and (kept.path / "cells" / cell.file).is_file())]
    n_train = round(len(plan.draws) * (1 - study.split.test))
    seconds += seconds_to_learn([cell.forecaster for cell in left], n_train, plan.points, asked.lookback, asked.horizon)
    said = f"{len(cells) - len(left)} of them are done already. " if len(left) < len(cells) else ""
    log.info(
        "%s: %d draws of %s, %d time points, %d forecasters to rank. %sThis takes about %s.",
        study.name,
        len(plan.draws),
        plan.model.source,
        plan.points,
        len(cells),
        said,
        duration(seconds),
    )


def _how(plan: Plan, data: xr.Dataset) -> dict[str, str]:
    study, model = plan.study, plan.model
    asked, observed = study.simulate, json.loads(data.attrs["observables"])
    tolerances = json.loads(data.attrs["tolerances"])
    formulas = [name if name == formula else f"{name} = {formula}" for name, formula in observed.items()]
    made = {"Model": f"{model.source}, content hash {model.hash}"}
    if plan.mechanism is not None:
        made["Wrong mechanism"] = f"{plan.mechanism.source}, content hash {plan.mechanism.hash}"
    made |= {
        "Draws": f"{asked.draws}, {asked.design} design, seed {asked.seed}: {len(plan.draws.columns)} quantities vary, "
        f"log-uniformly within {asked.fold:g}-fold of the model's values unless the study says otherwise",
        "Held fixed": "; ".join(f"{name}: {reason}" for name, reason in plan.left_out.items()),
        "Times": f"{len(plan.times)} points, {plan.times[0]:g} to {plan.times[-1]:g} {model.time_unit}".rstrip(),
        "Solver": f"CVODE through libroadrunner, tolerances {tolerances['relative']:g} relative and "
        f"{tolerances['absolute']:g} absolute, scaled to each state",
        "Measured": f"{'; '.join(formulas)}; noise {study.measure.noise}, {study.measure.keep:.0%} of the points kept, "
        f"seed {study.measure.seed}",
        **_settings_of(study.benchmark, study.split),
        "Dataset": f"data.zarr, fingerprint {fingerprint(data)}",
    }
    return made | _versions()


def _settings_of(asked: Benchmark, held_out: Split) -> dict[str, str]:
    known = f", known: {', '.join(asked.known)}" if asked.known else ""
    return {
        "Held out": f"{held_out.test:.0%} of the draws, whole, seed {held_out.seed}",
        "Benchmark": f"{asked.lookback} points seen, {asked.horizon} forecast, from every {asked.horizon}-th point on, "
        f"seed {asked.seed}{known}",
    }


def _versions() -> dict[str, str]:
    return {"Versions": ", ".join(f"{name} {version}" for name, version in environment().items())}


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
