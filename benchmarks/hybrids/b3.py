"""The B3 table, docs/experiments/b3.md: the layer without grafts against libroadrunner, on core BioModels and models/.

python benchmarks/hybrids/b3.py [--models sir,BIOMD0000000054] [--gradients sir,tyson_1991] [--backend jax] [--jobs 2]

Errors are in units of each state's range over all draws (8 draws, every free parameter 1.5-fold around the model's own
value), the largest of all draws, states and times. What is measured is `sbml_hybrid.hybrid.accuracy`, the layer's
steps in NumPy; gradients are those of the Keras layer. Each model has 400 s. The BioModels come from the test data
(SBML_HYBRID_TEST_DATA).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sbml_hybrid as sh
from sbml_hybrid.errors import ModelError, SbmlHybridError
from sbml_hybrid.hybrid.accuracy import measured, reference
from sbml_hybrid.hybrid.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
PAGE, SEEN = ROOT / "docs" / "experiments" / "b3.md", ROOT / "runs" / "b3.json"
# The last times that models/README.md gives; wolf_heinrich_2000 oscillates with a period of 0.14.
ENDS = {
    "gardner_2000": 20.0,
    "goldbeter_1995": 96.0,
    "huang_ferrell_1996": 60.0,
    "huang_ferrell_1996_simplified": 60.0,
    "lotka_volterra": 40.0,
    "repressilator": 600.0,
    "sir": 15.0,
    "tyson_1991": 120.0,
    "wolf_heinrich_2000": 2.0,
}
DRAWS, FOLD, TOLERANCES, LIMIT = 8, 1.5, (1e-3, 1e-5), 400.0
MOST_PARAMETERS, NUDGES = 8, (1e-3, 1e-4)


# -- models ------------------------------------------------------------------------------------------


def texts() -> Iterator[tuple[str, str, float]]:
    """Name, text and last time of each model; says when the BioModels are missing."""
    for name, end in ENDS.items():
        yield name, (ROOT / "models" / f"{name}.ant").read_text(), end
    folder = Path(os.environ.get("SBML_HYBRID_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "biomodels.zip").is_file():
        print(f"(no BioModels: {folder} is not there; set SBML_HYBRID_TEST_DATA)")
        return
    with zipfile.ZipFile(folder / "biomodels.zip") as archive:
        for path in (folder / "biomodels_core.txt").read_text().split():
            yield path.split("/")[0], archive.read(path).decode(), 100.0


def plan_of(model: sh.Model, end: float) -> Plan:
    """Return the plan in which every parameter varies that can, and that decides no time of an event."""

    def plan(names: tuple[str, ...]) -> Plan:
        return Plan(model, end, names, (), (), (), {name: name for name in model.states})

    plan(()).happenings  # noqa: B018 (a model that is refused is refused here)
    names = tuple(sh.around(model, FOLD))
    try:
        plan(names).happenings  # noqa: B018
    except SbmlHybridError:
        names = tuple(name for name in names if _is_free(plan, name))
    return plan(names)


def _is_free(plan: Any, name: str) -> bool:
    try:
        plan((name,)).happenings  # noqa: B018
    except SbmlHybridError:
        return False
    return True


# -- what is measured --------------------------------------------------------------------------------


def errors_of(text: str, end: float, say: Any) -> None:
    """Say what the steps of a model are, and how far they are from libroadrunner."""
    model = sh.load(text)
    say({"states": len(model.states), "reactions": len(model.reactions)})
    plan = plan_of(model, end)
    exact = reference(plan, sh.around(model, FOLD), DRAWS)
    say({"states": len(plan.odes.states), "parameters": len(plan.parameters), "draws": len(exact.varied)})
    for tolerance in TOLERANCES:
        began = time.perf_counter()
        found = measured(plan, exact, tolerance, None)
        spent = time.perf_counter() - began
        say({f"{tolerance:g}": [found.error, found.method, found.steps, found.local, round(spent, 1)]})


def gradients_of(text: str, end: float, say: Any) -> None:
    """Say how far the layer's gradient is from differences of libroadrunner, over its own length."""
    from sbml_hybrid.hybrid.simulate import Simulate

    model = sh.load(text)
    names = plan_of(model, end).parameters
    if not names:
        raise ModelError(f"{model.source} has no parameter to vary.")
    names = names[:: -(-len(names) // MOST_PARAMETERS)]
    layer = Simulate(model, end=end, parameters=names, tolerance=1e-5)
    rng = np.random.default_rng(0)
    own = pd.Series({name: model.by_id[name].value for name in names})
    at = own * rng.uniform(0.9, 1.1, len(own))
    times = np.linspace(0, end, 11)
    range_of = dict(zip(layer.plan.odes.states, layer.accuracy.ranges, strict=True))
    ranges = np.array([range_of.get(name, 1.0) for name in layer.observables])  # what no equation moves has none
    weights = rng.normal(size=(len(times), len(ranges)))

    found, strictly = [], sh.Deterministic(relative=1e-12)
    for nudge in NUDGES:
        rows = pd.DataFrame([at * (1 + s * nudge * (at.index == n)) for n in names for s in (1, -1)])
        truth = sh.simulate(model, rows, times=times, quantities=layer.observables, run=strictly)["truth"].values
        differences = (truth[::2] - truth[1::2]) / (2 * nudge)  # before the sum, which rounds
        found.append(np.sum(differences / ranges * weights, axis=(1, 2)))
    began = time.perf_counter()
    got = _gradient(layer, at.to_numpy(), times, weights / ranges) * at.to_numpy()
    spent = time.perf_counter() - began
    each = [float(np.abs(got - expected).max() / np.abs(expected).max()) for expected in found]
    say({"gradient": [min(each), len(names), round(spent, 1)]})


def _gradient(layer: Any, at: np.ndarray, times: np.ndarray, weights: np.ndarray) -> np.ndarray:
    import keras

    def loss(parameters: Any) -> Any:
        return keras.ops.sum(layer.call({"parameters": parameters, "times": times[None]}, training=True) * weights)

    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.jit(jax.grad(loss))(jax.numpy.asarray(at[None])))[0]
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def gradient(parameters: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            value = loss(parameters)
        return tape.gradient(value, parameters)

    return gradient(tf.constant(at[None])).numpy()[0]


# -- each in a process of its own, for a limited time ------------------------------------------------


def limited(task: Any, text: str, end: float) -> dict[str, Any]:
    """Return all that a task has said within the time it has."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_run, args=(task, text, end, theirs))
    process.start()
    theirs.close()
    found: dict[str, Any] = {}
    until = time.monotonic() + LIMIT
    try:
        while ours.poll(max(until - time.monotonic(), 0)):
            found |= ours.recv()
        found["late"] = True
    except EOFError:
        pass
    process.kill()
    process.join()
    return found


def _run(task: Any, text: str, end: float, pipe: Any) -> None:
    try:
        task(text, end, pipe.send)
    except SbmlHybridError as error:
        pipe.send({"refused": str(error)})
    except Exception as error:  # it is a benchmark: the others go on
        pipe.send({"refused": f"{type(error).__name__}: {error}"})


# -- the page ----------------------------------------------------------------------------------------

HEAD = """# Without grafts: the layer against libroadrunner

Each model with {draws} draws, every free parameter {fold:g}-fold around its own value, up to time 100 (those of
`models/`: the times that their README gives, and 2 for wolf_heinrich_2000). An error is the largest of all draws,
states and times, in units of the state's range over all draws; libroadrunner ran with a relative tolerance of 1e-12
where it can, else its default. Steps are what one trajectory may take, half as many again as the draws needed.
Tolerances are 1e-3, the default, and 1e-5. A model has {limit:g} s.

Made by `{command}`, in parts: a row stays until its model is asked for again. Whether a model is done in time depends
on what else the machine does. Where a parameter decides when an event happens, it does not vary; and draws that
libroadrunner cannot simulate are left out, so the table says how many of both were left.
"""


def page(seen: dict[str, dict[str, Any]]) -> str:
    """Return the page for what has been seen so far."""
    good = {name: found for name, found in seen.items() if "refused" not in found}
    reached = [sum(f.get(f"{t:g}", [np.inf])[0] <= t for f in good.values()) for t in TOLERANCES]
    command = "python benchmarks/hybrids/b3.py"
    lines = [HEAD.format(draws=DRAWS, fold=FOLD, limit=LIMIT, command=command)]
    lines.append(
        f"Of {len(seen)} models {len(seen) - len(good)} are refused or cannot be compared; {reached[0]} keep 1e-3 and "
        f"{reached[1]} keep 1e-5.\n"
    )
    lines += [
        "| model | states | reactions | varied, draws | error at 1e-3 | method, steps | error at 1e-5 | method, steps |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name, found in good.items():
        cells = [name, found.get("states", ""), found.get("reactions", "")]
        cells.append(f"{found.get('parameters', '')}, {found.get('draws', '')}")
        for tolerance in TOLERANCES:
            error, method, steps, *_ = found.get(f"{tolerance:g}", [None, "", ""])
            late = "not in time" if found.get("late") else ""
            cells += [late if error is None else f"{error:.1e}", f"{method}, {steps}" if method else ""]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "## Gradients", ""]
    lines += [
        "Of a random linear function of the trajectories, by the logarithms of up to 8 parameters, at tolerance 1e-5:"
    ]
    lines += ["the largest difference from central differences of libroadrunner, in units of the largest entry. The"]
    lines += ["differences are of 1e-3 and 1e-4 in the logarithm, and the nearer counts: one is curved, one rounded."]
    near = [f["gradient"][0] <= 1e-4 for f in good.values() if "gradient" in f]
    lines += [f"{sum(near)} of {len(near)} are within 1e-4.", ""]
    lines += ["| model | parameters | difference | backend |", "|---|---|---|---|"]
    for name, found in good.items():
        if "gradient" in found:
            error, count, *_ = found["gradient"]
            lines.append(f"| {name} | {count} | {error:.1e} | {found.get('backend', '')} |")
        elif "no gradient" in found:
            lines.append(f"| {name} | | {found['no gradient']} | {found.get('backend', '')} |")
    lines += ["", "## Refused", ""]
    lines += [f"- {name}: {_short(found['refused'])}" for name, found in seen.items() if "refused" in found]
    return "\n".join(lines) + "\n"


def _short(reason: str) -> str:
    return re.sub(r"\s+", " ", reason.split(" Try:")[0])[:300]


def main() -> None:
    """Measure, and write the page; what was seen before and is not asked for again stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names, with commas between them; by default all")
    parser.add_argument("--gradients", help="the models whose gradients are looked at; by default those of --models")
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--jobs", type=int, default=1, help="how many models at once")
    asked = parser.parse_args()
    os.environ |= {"KERAS_BACKEND": asked.backend, "JAX_ENABLE_X64": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    every = {name: (text, end) for name, text, end in texts()}
    names = list(every) if asked.models is None else [n for n in asked.models.split(",") if n]
    steep = names if asked.gradients is None else [n for n in asked.gradients.split(",") if n]
    for name in (*names, *steep):
        if name not in every:
            sys.exit(f"No model {name!r}. Known: {', '.join(every)}.")
    seen = json.loads(SEEN.read_text()) if SEEN.is_file() else {}

    def keep(name: str, found: dict[str, Any]) -> None:
        seen[name] = found
        ordered = {n: seen[n] for n in every if n in seen}
        SEEN.parent.mkdir(exist_ok=True)
        SEEN.write_text(json.dumps(ordered, indent=1) + "\n")
        PAGE.write_text(page(ordered))
        print(name, json.dumps(found), flush=True)

    def with_errors(name: str) -> None:
        of_gradients = {k: v for k, v in seen.get(name, {}).items() if "gradient" in k or k == "backend"}
        keep(name, limited(errors_of, *every[name]) | of_gradients)

    def with_gradient(name: str) -> None:
        found = limited(gradients_of, *every[name])
        known = {k: v for k, v in seen.get(name, {}).items() if "gradient" not in k}
        if "gradient" not in found:
            found = {"no gradient": _short(found.get("refused", f"not within {LIMIT:g} s"))}
        keep(name, known | {k: v for k, v in found.items() if "gradient" in k} | {"backend": asked.backend})

    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(with_errors, names))
        list(pool.map(with_gradient, [n for n in steep if "refused" not in seen.get(n, {})]))


if __name__ == "__main__":
    main()
