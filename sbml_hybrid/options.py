"""What can be said on the command line."""

from __future__ import annotations

import argparse

DESCRIPTION = """From a published biochemical model (SBML or Antimony) to realistic data, and to a benchmark that says
which forecaster to trust. Start with: sbml-hybrid run studies/demo.toml"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        self.exit(2, f"error: {message} (try: {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; `verb` of what it parses is the verb's name."""
    from sbml_hybrid import __version__

    whole = _Parser(prog="sbml-hybrid", description=DESCRIPTION)
    whole.add_argument("--version", action="version", version=f"sbml-hybrid {__version__}")
    verbs = whole.add_subparsers(title="verbs", metavar="VERB", required=True)
    for add in (
        _describe_options,
        _draw_options,
        _diff_options,
        _simulate_options,
        _measure_options,
        _generate_options,
        _overview_options,
        _benchmark_options,
        _run_options,
    ):
        add(verbs)
    return whole


def _verb(verbs, name: str, text: str, resume: str = "Nothing was written.") -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(verb=name, resume=resume)
    return verb


def _describe_options(verbs) -> None:
    verb = _verb(verbs, "describe", "Show what a model holds: reactions with their laws, species, parameters.")
    verb.add_argument("model", help="an SBML (.xml) or Antimony (.ant) file")
    verb.add_argument("--check", action="store_true", help="add what libSBML warns of: units that do not fit, practice")


def _draw_options(verbs) -> None:
    verb = _verb(verbs, "draw", "Draw a model's species and reactions as a network.")
    verb.add_argument("model", help="an SBML (.xml) or Antimony (.ant) file")
    verb.add_argument("--labels", default="id", help="what is written: id (default) or name")
    verb.add_argument(
        "--currency",
        nargs="+",
        metavar="SPECIES",
        help="draw these, such as ATP ADP, as a small copy at each of their reactions",
    )
    _output(verb, "the picture: network.png, .svg or .pdf")


def _diff_options(verbs) -> None:
    verb = _verb(
        verbs,
        "diff",
        "Say in plain words what two models say differently. The exit status is 0 without a difference and 1 with one.",
    )
    verb.add_argument("first", help="an SBML (.xml) or Antimony (.ant) file")
    verb.add_argument("second", help="the other one")


def _simulate_options(verbs) -> None:
    verb = _verb(
        verbs,
        "simulate",
        "Simulate a model many times, each time with other parameter values: noise-free time courses.",
        "The same command goes on where it stopped.",
    )
    verb.add_argument("model", help="an SBML (.xml) or Antimony (.ant) file")
    verb.add_argument(
        "--fold",
        type=float,
        default=1.5,
        help="how far parameters vary: 1.5 is from value/1.5 to value*1.5 (default 1.5)",
    )
    verb.add_argument("--draws", type=int, default=100, help="how many time courses (default 100)")
    verb.add_argument("--end", type=float, required=True, help="when they end, in the model's time unit")
    verb.add_argument("--points", type=int, default=101, help="how many time points, with the first at 0 (default 101)")
    verb.add_argument(
        "--of", nargs="+", metavar="NAME", help="vary only these, such as k1 'init(S)' (default: all rates)"
    )
    verb.add_argument("--initial", action="store_true", help="vary initial amounts as well")
    verb.add_argument(
        "--design", default="random", help="how draws are spread: random (default), latin-hypercube, sobol or grid"
    )
    verb.add_argument("--seed", type=int, default=0, help="the same seed gives the same draws (default 0)")
    verb.add_argument("--float32", action="store_true", help="keep the time courses in half the size")
    verb.add_argument("--estimate", action="store_true", help="only say how long it would take and how big it would be")
    _jobs_and_output(verb, "where to write the time courses, such as truth.zarr")


def _measure_options(verbs) -> None:
    verb = _verb(
        verbs,
        "measure",
        "Measure simulated time courses as an assay would: with noise, and with points missing. Plates, effects and "
        "other kinds of gaps are said in a study file (sbml-hybrid generate).",
        "The same command goes on where it stopped.",
    )
    verb.add_argument("data", help="simulated time courses, such as truth.zarr")
    verb.add_argument(
        "--observables",
        nargs="+",
        metavar="FORMULA",
        help="what the assay reads: species, or formulas such as 'K + K_p' (default: every species)",
    )
    verb.add_argument(
        "--noise",
        default="lognormal:0.1",
        metavar="KIND:SIZE",
        help="lognormal:0.1 scatters by 10 %% of the value (default); normal:0.05 by 0.05 units everywhere",
    )
    verb.add_argument("--keep", type=float, default=1.0, help="share of points that are measured at all (default 1)")
    verb.add_argument("--schedule", nargs="+", type=float, metavar="TIME", help="measure at these times (default: all)")
    verb.add_argument("--replicates", type=int, default=1, help="how often each time course is measured (default 1)")
    verb.add_argument("--low", type=float, help="the limit of detection: what is below it is censored")
    verb.add_argument("--high", type=float, help="where the assay saturates: what is above it is censored")
    verb.add_argument("--seed", type=int, default=1, help="the same seed gives the same noise (default 1)")
    _jobs_and_output(verb, "where to write the measurements, such as data.zarr")


def _benchmark_options(verbs) -> None:
    verb = _verb(
        verbs,
        "benchmark",
        "Find out who forecasts a dataset best: forecasters learn from most experiments and are tested on the others.",
        "The same command goes on where it stopped.",
    )
    verb.add_argument(
        "data", help="a dataset (.zarr, .nc), or a table of your own (.csv: trajectory, time, observable, value)"
    )
    verb.add_argument(
        "--rivals",
        default="ridge,random forest,gru",
        help="forecasters, with commas: persistence, series-mean, ridge, random-forest, mlp, gru, residual, hybrid",
    )
    verb.add_argument("--lookback", type=int, required=True, help="how many time points a forecaster sees")
    verb.add_argument("--horizon", type=int, required=True, help="how many time points it then forecasts")
    verb.add_argument("--test", type=float, default=0.2, help="share of the experiments to test on (default 0.2)")
    verb.add_argument("--by", default="draw", help="what is held out whole: draw (default) or condition")
    verb.add_argument(
        "--known", nargs="+", metavar="NAME", help="varied quantities that forecasters may see, such as 'init(S)'"
    )
    verb.add_argument("--model", help="a model for forecasters that use one (default: the one that made the data)")
    verb.add_argument("--mechanism", help="a wrong model beside it: how much of a hybrid's skill is left with that?")
    verb.add_argument("--seed", type=int, default=3, help="the same seed gives the same ranking (default 3)")
    _output(verb, "a folder for the scores, figures and the report")


def _generate_options(verbs) -> None:
    verb = _verb(
        verbs,
        "generate",
        "Make the data of a study file: simulate and measure, and nothing else. What is done is not done again.",
        "The same command goes on where it stopped.",
    )
    verb.add_argument("study", help="a study file; it needs no [benchmark]")
    verb.add_argument("-o", "--output", metavar="FOLDER", help="where to write (default: runs/<name of the study>)")


def _overview_options(verbs) -> None:
    verb = _verb(
        verbs,
        "overview",
        "Say what came of a simulation: how many trajectories are right, what failed and why, which values they span.",
    )
    verb.add_argument("data", help="simulated time courses, such as truth.zarr")
    verb.add_argument("-o", "--output", metavar="PATH", help="a picture of it as well: overview.png, .svg or .pdf")


def _run_options(verbs) -> None:
    verb = _verb(
        verbs,
        "run",
        "Run a study file: simulate, measure, benchmark, and write a report. What is done is not done again.",
        "The same command goes on where it stopped.",
    )
    verb.add_argument("study", help="a study file, such as studies/demo.toml")
    verb.add_argument("-o", "--output", metavar="FOLDER", help="where to write (default: runs/<name of the study>)")


def _output(verb: argparse.ArgumentParser, text: str) -> None:
    verb.add_argument("-o", "--output", required=True, metavar="PATH", help=text)


def _jobs_and_output(verb: argparse.ArgumentParser, text: str) -> None:
    verb.add_argument("--jobs", type=int, default=1, help="how many processor cores to use; -1 is all (default 1)")
    _output(verb, text)
