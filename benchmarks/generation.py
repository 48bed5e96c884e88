"""What data generation costs, against libroadrunner alone and against SimbaML: prints docs/performance.md's tables.

python benchmarks/generation.py [--simba PYTHON] [--parts one two simba first memory] [--sizes 10000 1000000]

Every arm runs in turns with its rival, in one run. Ratios are medians over the rounds, times the least of them, all in
CPU seconds, because what else the machine does can only add. The models of BioModels come from the test data
(SBML_HYBRID_TEST_DATA); SimbaML from an environment of its own (`pip install --pre simba_ml`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from bare import bare, engine_of

import sbml_hybrid as sh
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.settings import selection_of
from sbml_hybrid.simulation.solver import LADDER

HERE = Path(__file__).resolve().parent
OURS = {"huang_ferrell_1996": 60.0, "repressilator": 600.0}
# 3 to 218 states, without what `bare` does not serve.
BIOMODELS = (54, 321, 84, 609, 475, 406, 365, 491, 334, 293, 595)
POINTS, FOLD = 101, 1.2


# -- what is compared ------------------------------------------------------------------------------


def models(numbers: Sequence[int]) -> Iterator[tuple[str, sh.Model, float]]:
    """Name, model and last time of each benchmark model; says which are missing."""
    for name, end in OURS.items():
        yield name, sh.load(HERE.parent / "models" / f"{name}.ant"), end
    data = Path(os.environ.get("SBML_HYBRID_TEST_DATA", HERE.parents[1] / "shared" / "data")) / "biomodels.zip"
    if not data.is_file():
        print(f"(no BioModels: {data} is not there; set SBML_HYBRID_TEST_DATA)")
        return
    with zipfile.ZipFile(data) as archive:
        for number in numbers:
            id = f"BIOMD{number:010d}"
            yield id, sh.load(archive.read(f"{id}/{id}_url.xml").decode()), 100.0


class Pair:
    """The same work for both arms: `simulate` and the bare loop."""

    def __init__(self, model: sh.Model, end: float, seconds: float) -> None:
        self.model, self.times = model, np.linspace(0, end, POINTS)
        self.selections = [selection_of(model, name)[0] for name in model.states]
        priors = sh.around(model, fold=FOLD)
        with quiet():
            engine_of(model.sbml)  # first, so that both run the code that libroadrunner compiles by itself
        self.draws = sh.sample(priors, 4, seed=0)
        self.same = np.array_equal(self.ours()["truth"].values, self.bare())
        began = time.process_time()
        self.bare()
        each = (time.process_time() - began) / len(self.draws)
        self.draws = sh.sample(priors, int(np.clip(seconds / each, 20, 2000)), seed=0)

    def ours(self, jobs: int = 1) -> Any:
        """Return what `simulate` makes."""
        return sh.simulate(self.model, self.draws, times=self.times, jobs=jobs)

    def bare(self, part: slice = slice(None)) -> np.ndarray:
        """Return what the bare loop makes of some draws."""
        with quiet():
            return bare(*self.work(part))

    def work(self, part: slice | np.ndarray) -> tuple[Any, ...]:
        """Return the bare loop's arguments for some draws."""
        values = self.draws.to_numpy()[part]
        return (
            self.model.sbml,
            set(self.model.assignment_rules),
            self.selections,
            list(self.draws.columns),
            values,
            self.times,
        )


def race(arms: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> dict[str, np.ndarray]:
    """Seconds of each arm (round,), run in turns."""
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, run in arms.items():
            began = clock()
            run()
            spent[name].append(clock() - began)
    return {name: np.array(seconds) for name, seconds in spent.items()}


def ratio(spent: dict[str, np.ndarray]) -> str:
    """The median over the rounds of the bare loop's seconds over ours: what slows a round slows both."""
    return f"{np.median(spent['bare'] / spent['ours']):.2f}"


# -- the tables ------------------------------------------------------------------------------------


def one(options: argparse.Namespace) -> None:
    """One process."""
    print("| model | states | bare loop, ms a trajectory | simulate, ms | bare / simulate | same bytes |")
    print("|---|---|---|---|---|---|")
    for name, model, end in models(BIOMODELS):
        pair = Pair(model, end, options.seconds)
        spent = race({"bare": pair.bare, "ours": pair.ours}, options.rounds, time.process_time)
        each = {arm: seconds.min() / len(pair.draws) * 1e3 for arm, seconds in spent.items()}
        same = "yes" if pair.same else "no"
        print(f"| {name} | {len(model.states)} | {each['bare']:.3f} | {each['ours']:.3f} | {ratio(spent)} | {same} |")


def two(options: argparse.Namespace) -> None:
    """Two processes: CPU seconds of this one and of its workers, and the clock."""
    print("| model | two bare loops, CPU ms a trajectory | jobs=2, CPU ms | bare / simulate | by the clock |")
    print("|---|---|---|---|---|")
    for name, model, end in models((406, 595)):
        pair = Pair(model, end, 4 * options.seconds)
        halves = np.array_split(np.arange(len(pair.draws)), 2)
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as own:  # simulate's are joblib's

            def side_by_side(pair: Pair = pair, halves: Any = halves, own: Any = own) -> None:
                for half in [own.submit(bare, *pair.work(half)) for half in halves]:
                    half.result()

            arms = {"bare": side_by_side, "ours": lambda pair=pair: pair.ours(jobs=2)}
            race(arms, 2, time.perf_counter)  # starts the workers, and compiles in each
            spent = race(arms, options.rounds, lambda: np.array([family_seconds(), time.perf_counter()]))
        cpu, clock = ({arm: seconds[:, i] for arm, seconds in spent.items()} for i in (0, 1))
        each = {arm: seconds.min() / len(pair.draws) * 1e3 for arm, seconds in cpu.items()}
        print(f"| {name} | {each['bare']:.3f} | {each['ours']:.3f} | {ratio(cpu)} | {ratio(clock)} |")


def simba(options: argparse.Namespace) -> None:
    """SimbaML, Huang-Ferrell, 61 points of 22 species."""
    if not options.simba:
        print("(no SimbaML: give --simba the interpreter of an environment with `pip install --pre simba_ml`)")
        return
    model, rung, times = sh.load(HERE.parent / "models" / "huang_ferrell_1996.ant"), LADDER[0], np.linspace(0, 60, 61)
    draws = sh.sample(sh.around(model, fold=FOLD), 500, seed=0)
    names = list(draws.columns)
    start = {s.id: s.initial for s in model.species}
    told = {"species": start, "constants": {n: model.by_id[n].value for n in names}, "fold": FOLD}
    spent = race({"ours": lambda: sh.simulate(model, draws, times=times)}, options.rounds, time.process_time)["ours"]
    ours = len(draws) / spent.min()
    nominal = sh.simulate(model, times=times)["truth"].values[0, -1]
    print("| | rtol, atol | trajectories a CPU second | simulate is faster by |\n|---|---|---|---|")
    print(f"| simulate | {rung.relative:g}, {rung.absolute:g}, scaled to each species | {ours:.0f} | |")
    for rtol, atol, count in ((rung.relative, rung.absolute, 20), (1e-6, 1e-12, 20), (1e-3, 1e-6, 40)):
        command = [options.simba, str(HERE / "simba_huang_ferrell.py"), str(count), repr(rtol), repr(atol)]
        runs = [json.loads(_output(command, json.dumps(told))) for _ in range(options.rounds)]
        theirs = count / min(run["seconds"] for run in runs)
        end = np.array([runs[0]["end"][name] for name in model.states])
        far = np.abs(end - nominal).max() / np.abs(nominal).max()
        said = f"SimbaML (its nominal end differs by {far:.0e} of the largest)"
        print(f"| {said} | {rtol:g}, {atol:g} | {theirs:.1f} | {ours / theirs:.0f} |")


IMPORTS = "import roadrunner, antimony, xarray"
SIMULATE = """
import sbml_hybrid as sh
sh.simulate(sh.load("S -> P; k*S; S = 10; k = 0.3"), times=[0, 1, 2])
"""
FIRST = {
    "libroadrunner, antimony and xarray imported": IMPORTS,
    "these, and xarray's first Dataset": f"{IMPORTS}; xarray.Dataset({{'a': ('x', [0.0])}}, {{'x': [0.0]}})",
    "the first trajectory": SIMULATE,
}


def first(options: argparse.Namespace) -> None:
    """From `python` to the first trajectory."""
    arms = {name: lambda code=code: _output([sys.executable, "-c", code]) for name, code in FIRST.items()}
    least = {name: seconds.min() for name, seconds in race(arms, options.rounds, children_seconds).items()}
    alone = least[next(iter(FIRST))]
    print("| from `python` to | CPU seconds | more than the imports alone |\n|---|---|---|")
    for name, seconds in least.items():
        print(f"| {name} | {seconds:.2f} | {seconds - alone:+.2f} |")


MEMORY = """
import sys, sbml_hybrid as sh, numpy as np
from pathlib import Path
n, store = int(sys.argv[1]), sys.argv[2]
model = sh.load("A -> B; k1*A; B -> A; k2*B; A = 10; k1 = 0.3; k2 = 0.2")
def peak(pid):
    said = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in said.splitlines() if line.startswith("VmHWM"))) / 1024
if __name__ == "__main__":
    draws = sh.Design(sh.around(model, fold=2), n, seed=0)
    sh.simulate(model, draws, times=np.linspace(0, 10, 11), jobs=2, store=store, dtype="float32")
    workers = [p for t in Path("/proc/self/task").iterdir() for p in (t / "children").read_text().split()]
    print(peak("self"), max([peak(p) for p in workers], default=0.0))
"""


def memory(options: argparse.Namespace) -> None:
    """Peak memory, small model, float32, to Zarr."""
    print("| draws | parent, MB at most | largest worker, MB | store, MB | trajectories a CPU second |")
    print("|---|---|---|---|---|")
    for n in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            script, store = Path(folder) / "memory.py", Path(folder) / "big.zarr"
            script.write_text(MEMORY)
            began = children_seconds()
            parent, worker = _output([sys.executable, str(script), str(n), str(store)]).split()
            speed = n / (children_seconds() - began)
            size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) / 2**20
            print(f"| {n} | {float(parent):.0f} | {float(worker):.0f} | {size:.0f} | {speed:.0f} |")


# -- measuring -------------------------------------------------------------------------------------


def _output(command: list[str], stdin: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if command[0] == sys.executable:
        environment["PYTHONPATH"] = str(HERE.parent)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} failed: {done.stderr[-2000:]}")
    return done.stdout


def children_seconds() -> float:
    """CPU seconds of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family_seconds() -> float:
    """CPU seconds of this process and its living children (Linux)."""
    children = [p for task in Path("/proc/self/task").iterdir() for p in (task / "children").read_text().split()]
    ticks = os.sysconf("SC_CLK_TCK")
    stats = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in ("self", *children)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / ticks


PARTS = {part.__name__: part for part in (one, two, simba, first, memory)}


def main() -> None:
    """Print the tables, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which tables")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each arm")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds of one arm in one round, about")
    parser.add_argument("--simba", default=os.environ.get("SIMBA_PYTHON"), help="SimbaML's Python (or SIMBA_PYTHON)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000], help="draws, for memory")
    options = parser.parse_args()
    print("python benchmarks/generation.py", *sys.argv[1:])
    for name in options.parts:
        print(f"\n### {PARTS[name].__doc__}\n")
        PARTS[name](options)


if __name__ == "__main__":
    main()
