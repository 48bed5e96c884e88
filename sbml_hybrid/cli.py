"""The command line: verbs that mirror the API."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from sbml_hybrid.options import parser


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
    arguments = parser().parse_args(argv)
    from sbml_hybrid.errors import SbmlHybridError

    console = _console()
    try:
        status = _VERBS[arguments.verb](arguments)
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
    truth = simulate(model, draws, times=times, jobs=arguments.jobs, store=arguments.output, dtype=dtype)
    failed = truth.sizes["trajectory"] - succeeded(truth).sizes["trajectory"]
    print(f"{truth.sizes['trajectory']} trajectories, {len(priors)} quantities varied, {failed} failed.")
    print(f"Wrote {arguments.output}")


def _measure(arguments: argparse.Namespace) -> None:
    from sbml_hybrid.data import store as stores
    from sbml_hybrid.measurement.assay import measure
    from sbml_hybrid.measurement.limits import Limits
    from sbml_hybrid.study.assays import noise_from_text

    if Path(arguments.output).is_file():
        raise FileExistsError(f"{arguments.output} is there already. Choose another name with -o.")
    noise, netcdf = noise_from_text(arguments.noise), Path(arguments.output).suffix.lower() == ".nc"
    given = arguments.low is not None or arguments.high is not None
    data = measure(
        stores.open(arguments.data),
        arguments.observables,
        noise,
        arguments.keep,
        arguments.schedule,
        replicates=arguments.replicates,
        limits=Limits(low=arguments.low, high=arguments.high) if given else None,
        seed=arguments.seed,
        store=None if netcdf else arguments.output,
        jobs=arguments.jobs,
    )
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
        Split(arguments.test, arguments.seed, arguments.by),
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


_VERBS = {
    "describe": _describe,
    "draw": _draw,
    "diff": _diff,
    "simulate": _simulate,
    "measure": _measure,
    "benchmark": _benchmark,
    "generate": _generate,
    "overview": _overview,
    "run": _run,
}


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
