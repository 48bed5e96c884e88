"""The command line: verbs that mirror the API."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """From a published biochemical model (SBML or Antimony) to realistic data, and to a benchmark that says
which forecaster to trust. Start with: sbml-hybrid run studies/demo.toml"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments; those of the process by default.

    Returns
    -------
    int
        0; 1 when `diff` finds a difference; 2 after an error, which is said in one line; 130 when
        stopped from the keyboard.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's greetings are not what was asked for
    warnings.filterwarnings("ignore", message=".*tasks have been successfully executed")  # joblib's, on Ctrl-C
    arguments = _parser().parse_args(argv)
    from sbml_hybrid.errors import SbmlHybridError

    console = _console()
    try:
        status = arguments.verb(arguments)
        sys.stdout.flush()
        return status or 0
    except KeyboardInterrupt:
        print(f"\nStopped. {arguments.resume}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SbmlHybridError, ValueError, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    finally:
        logging.getLogger("sbml_hybrid").removeHandler(console)


# -- the verbs -------------------------------------------------------------------------------------


def _describe(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.mechanism.reader import load

    print(load(arguments.model).describe(arguments.check))


def _draw(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.mechanism.reader import load
    from sbml_hybrid.plots.network import network

    picture = network(load(arguments.model), arguments.labels, arguments.currency or ())
    print(f"Wrote {picture.save(arguments.output, dpi=200)}")


def _diff(arguments: argparse.Namespace) -> int:
    from sbml_hybrid.mechanism.difference import diff
    from sbml_hybrid.mechanism.reader import load

    found = diff(load(arguments.first), load(arguments.second))
    print(found)
    return 1 if found else 0


def _simulate(arguments: argparse.Namespace) -> None:
    import numpy as np

    from sbml_hybrid.data.dataset import succeeded
    from sbml_hybrid.mechanism.reader import load
    from sbml_hybrid.simulation.designs import Design
    from sbml_hybrid.simulation.ensemble import simulate
    from sbml_hybrid.simulation.estimate import estimate
    from sbml_hybrid.simulation.priors import around

    if not arguments.end > 0:
        raise ValueError(f"--end must be above 0, got {arguments.end:g}.")
    if arguments.points < 2:
        raise ValueError(f"--points must be 2 or more, got {arguments.points}.")
    model = load(arguments.model)
    priors = around(model, arguments.fold, arguments.of, arguments.initial)
    draws = Design(priors, arguments.draws, arguments.seed, arguments.design)
    times = np.linspace(0.0, arguments.end, arguments.points)
    dtype = "float32" if arguments.float32 else "float64"
    cost = estimate(model, draws, times=times, jobs=arguments.jobs, dtype=dtype)
    if arguments.estimate:
        print(cost)
        return
    logging.getLogger("sbml_hybrid").info("%s", cost)
    truth = simulate(model, draws, times=times, jobs=arguments.jobs, store=_zarr(arguments.output), dtype=dtype)
    failed = truth.sizes["trajectory"] - succeeded(truth).sizes["trajectory"]
    print(f"{truth.sizes['trajectory']} trajectories, {len(priors)} quantities varied, {failed} failed.")
    print(f"Wrote {arguments.output}")


def _measure(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.data import store as stores
    from sbml_hybrid.measurement.assay import measure
    from sbml_hybrid.study.assays import noise_from_text

    if Path(arguments.output).is_file():
        raise FileExistsError(f"{arguments.output} is there already. Choose another name with -o.")
    noise, netcdf = noise_from_text(arguments.noise), Path(arguments.output).suffix.lower() == ".nc"
    how = {"seed": arguments.seed, "jobs": arguments.jobs, "store": None if netcdf else _zarr(arguments.output)}
    data = measure(stores.open(arguments.data), arguments.observables, noise, arguments.keep, **how)
    if netcdf:
        stores.save(data, arguments.output)
    print(f"Measured {', '.join(data['observable'].values)} with {arguments.noise} noise.")
    print(f"Wrote {arguments.output}")


def _benchmark(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.data.store import open as open_dataset
    from sbml_hybrid.data.tables import read_csv
    from sbml_hybrid.mechanism.reader import load
    from sbml_hybrid.study import run_benchmark
    from sbml_hybrid.study.rivals import rivals_from_names
    from sbml_hybrid.study.sections import Benchmark, Split

    path = Path(arguments.data)
    data = read_csv(path) if path.suffix.lower() == ".csv" else open_dataset(path)
    if arguments.model is not None:
        model = load(arguments.model)
    else:
        model = load(data.attrs["sbml"]) if "sbml" in data.attrs else None
    outcome = run_benchmark(
        path,
        data,
        rivals_from_names(arguments.rivals, model),
        Benchmark(arguments.lookback, arguments.horizon, {}, tuple(arguments.known or ()), arguments.seed),
        Split(arguments.test, arguments.seed),
        arguments.output,
        model=model,
        mechanism=load(arguments.mechanism) if arguments.mechanism else None,
    )
    _tell(outcome)


def _generate(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.study import generate

    made = generate(arguments.study, arguments.output)
    print(f"\n{made.overview}\n\nWrote {made.data}")


def _overview(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.data.overview import overview

    print(overview(arguments.data))
    if arguments.output:
        from sbml_hybrid.plots.generation import overview as picture

        print(f"Wrote {picture(arguments.data).save(arguments.output)}")


def _run(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.study import run_study

    _tell(run_study(arguments.study, arguments.output))


def _tell(outcome) -> None:
    from sbml_hybrid.reporting.words import ranking_text

    print(f"\n{ranking_text(outcome.ranking)}")
    print("error: in percent of the spread between training experiments; *: no clear difference to the best")
    print(f"\nOpen {outcome.report}")


# -- the options -----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        self.exit(2, f"error: {message} (try: {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    from sbml_hybrid import __version__

    parser = _Parser(prog="sbml-hybrid", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"sbml-hybrid {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
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
    return parser


def _verb(verbs, name: str, function, text: str, resume: str = "Nothing was written.") -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(verb=function, resume=resume)
    return verb


def _describe_options(verbs) -> None:
    verb = _verb(
        verbs, "describe", _describe, "Show what a model holds: reactions with their laws, species, parameters."
    )
    verb.add_argument("model", help="an SBML (.xml) or Antimony (.ant) file")
    verb.add_argument("--check", action="store_true", help="add what libSBML warns of: units that do not fit, practice")


def _draw_options(verbs) -> None:
    verb = _verb(verbs, "draw", _draw, "Draw a model's species and reactions as a network.")
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
        _diff,
        "Say in plain words what two models say differently. The exit status is 0 without a difference and 1 with one.",
    )
    verb.add_argument("first", help="an SBML (.xml) or Antimony (.ant) file")
    verb.add_argument("second", help="the other one")


def _simulate_options(verbs) -> None:
    verb = _verb(
        verbs,
        "simulate",
        _simulate,
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
        _measure,
        "Measure simulated time courses as an assay would: with noise, and with points missing.",
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
    verb.add_argument("--seed", type=int, default=1, help="the same seed gives the same noise (default 1)")
    _jobs_and_output(verb, "where to write the measurements, such as data.zarr")


def _benchmark_options(verbs) -> None:
    verb = _verb(
        verbs,
        "benchmark",
        _benchmark,
        "Find out who forecasts a dataset best: forecasters learn from most experiments and are tested on the others.",
        "The same command goes on where it stopped.",
    )
    verb.add_argument(
        "data", help="a dataset (.zarr, .nc), or a table of your own (.csv: trajectory, time, observable, value)"
    )
    verb.add_argument(
        "--rivals",
        default="ridge,random forest,gru",
        help="forecasters, with commas: persistence, series-mean, ridge, random-forest, mlp, gru, residual",
    )
    verb.add_argument("--lookback", type=int, required=True, help="how many time points a forecaster sees")
    verb.add_argument("--horizon", type=int, required=True, help="how many time points it then forecasts")
    verb.add_argument("--test", type=float, default=0.2, help="share of the experiments to test on (default 0.2)")
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
        _generate,
        "Make the data of a study file: simulate and measure, and nothing else. What is done is not done again.",
        "The same command goes on where it stopped.",
    )
    verb.add_argument("study", help="a study file; it needs no [benchmark]")
    verb.add_argument("-o", "--output", metavar="FOLDER", help="where to write (default: runs/<name of the study>)")


def _overview_options(verbs) -> None:
    verb = _verb(
        verbs,
        "overview",
        _overview,
        "Say what came of a simulation: how many trajectories are right, what failed and why, which values they span.",
    )
    verb.add_argument("data", help="simulated time courses, such as truth.zarr")
    verb.add_argument("-o", "--output", metavar="PATH", help="a picture of it as well: overview.png, .svg or .pdf")


def _run_options(verbs) -> None:
    verb = _verb(
        verbs,
        "run",
        _run,
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


def _zarr(path: str) -> str:
    if Path(path).suffix.lower() not in (".zarr", ""):
        raise ValueError(f"{path} is no Zarr folder. Name it .zarr, such as -o truth.zarr.")
    return path


def _console() -> logging.Handler:
    """Say on the terminal what is logged, between progress bars and not through them."""
    handler = _Console(logging.INFO)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("sbml_hybrid")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return handler


class _Console(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record))


if __name__ == "__main__":
    sys.exit(main())
