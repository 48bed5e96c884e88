"""What the simulation layer costs, against libroadrunner and diffrax: prints docs/performance.md's table.

python benchmarks/simulate_layer.py [--models huang_ferrell_1996 repressilator] [--batches 1 64 1024] [--arms ...]

Every arm is a process of its own, one after the other in one run, and simulates the same draws (1.5-fold around the
model) to the same accuracy: the coarsest tolerance that keeps every state of every draw within 1e-3 of its range. Times
are the least of three. The gradient is that of a weighted sum of all states at all times by all constants. diffrax is
given a right-hand side written by hand, and runs where it is installed. A model may be a file of your own, up to time
100; it has no diffrax.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ENDS = {"huang_ferrell_1996": 200.0, "repressilator": 600.0}
POINTS, FOLD, ASKED = 101, 1.5, 1e-3
ARMS = ("libroadrunner", "layer jax", "layer tensorflow", "diffrax Kvaerno5", "diffrax Tsit5")


def least(function: Callable[[], Any], times: int = 3) -> tuple[float, float]:
    """Seconds of the first call, and the least of the others."""
    began = time.perf_counter()
    function()
    first = time.perf_counter() - began
    rounds = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        rounds.append(time.perf_counter() - began)
    return first, min(rounds)


def setting(name: str, batch: int) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """The model, its draws, the times, and what libroadrunner says at the default tolerances."""
    import sbml_hybrid as sh

    own = HERE.parent / "models" / f"{name}.ant"
    model = sh.load(own if own.is_file() else Path(name))
    draws = sh.sample(sh.around(model, fold=FOLD), batch, seed=0)
    times = np.linspace(0.0, ENDS.get(name, 100.0), POINTS)
    compared = draws.iloc[:64]
    return model, draws, times, sh.simulate(model, compared, times=times)["truth"].values


def error_of(states: np.ndarray, exact: np.ndarray) -> float:
    """The largest error, in units of each state's range."""
    return float((np.abs(states[: len(exact)] - exact) / np.ptp(exact, axis=1).max(axis=0)).max())


def libroadrunner(name: str, batch: int) -> dict[str, Any]:
    """Simulate with libroadrunner alone, one trajectory after the other."""
    import sbml_hybrid as sh

    model, draws, times, exact = setting(name, batch)
    engine = sh.to_roadrunner(model)
    states = [f"[{s}]" for s in model.states]

    def run() -> np.ndarray:
        found = []
        for row in draws.itertuples(index=False):
            engine.resetToOrigin()
            for column, value in zip(draws.columns, row, strict=True):
                engine.model[column] = value
            engine.reset()
            found.append(np.array(engine.simulate(times=times.tolist(), selections=states)))
        return np.stack(found)

    scale = float(np.ptp(exact, axis=1).max(axis=0).min())
    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        engine.integrator.relative_tolerance = tolerance
        engine.integrator.absolute_tolerance = tolerance * scale
        error = error_of(run(), exact)
        if error <= ASKED:
            break
    _, seconds = least(run)
    return {"forward": seconds / batch, "error": error, "tolerance": tolerance}


def layer(name: str, batch: int, backend: str) -> dict[str, Any]:
    """The layer, forward and with its gradient, compiled as `fit` compiles it."""
    if backend == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    model, draws, times, exact = setting(name, batch)
    from sbml_hybrid.forecasting.engine import keras
    from sbml_hybrid.hybrid.simulate import Simulate

    simulate = Simulate(model, end=float(times[-1]), parameters=list(draws.columns), tolerance=ASKED)
    ops = keras.ops
    at = ops.convert_to_tensor(np.tile(times, (batch, 1)))
    values = ops.convert_to_tensor(draws.to_numpy())
    weights = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(batch, *exact.shape[1:])))

    def forward(parameters: Any) -> Any:
        return simulate({"times": at, "parameters": parameters}, training=False)

    def loss(parameters: Any, weights: Any) -> Any:
        return ops.sum(weights * simulate({"times": at, "parameters": parameters}, training=True))

    if backend == "jax":
        run, gradient = jax.jit(forward), jax.jit(jax.grad(loss))
    else:
        import tensorflow

        run = tensorflow.function(forward, jit_compile=True)

        @tensorflow.function(jit_compile=True)
        def gradient(parameters: Any, weights: Any) -> Any:
            with tensorflow.GradientTape() as tape:
                tape.watch(parameters)
                total = loss(parameters, weights)
            return tape.gradient(total, parameters)

    error = error_of(np.asarray(run(values)), exact)
    first, seconds = least(lambda: np.asarray(run(values)))
    compiled, slope = least(lambda: np.asarray(gradient(values, weights)))
    return {
        "forward": seconds / batch,
        "gradient": slope / batch,
        "error": error,
        "compile gradient": compiled - slope,
        "method": simulate.accuracy.method,
        "steps": simulate.accuracy.steps,
    }


def diffrax(name: str, batch: int, solver: str) -> dict[str, Any]:
    """Simulate with diffrax on a right-hand side written by hand, mapped over the batch."""
    import diffrax as dx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    model, draws, times, exact = setting(name, batch)
    slope = {"huang_ferrell_1996": _huang_ferrell, "repressilator": _repressilator}[name](
        model, list(draws.columns), jnp
    )
    start = jnp.asarray(exact[0, 0])
    values, at = jnp.asarray(draws.to_numpy()), jnp.asarray(times)
    scale = jnp.asarray(np.ptp(exact, axis=1).max(axis=0))
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(batch, *exact.shape[1:])))

    def solved(tolerance: float) -> Callable[[Any], Any]:
        def one(parameters: Any) -> Any:
            return dx.diffeqsolve(
                dx.ODETerm(lambda t, y, p: slope(y * scale, p) / scale),
                getattr(dx, solver)(),
                0.0,
                float(times[-1]),
                None,
                start / scale,
                parameters,
                saveat=dx.SaveAt(ts=at),
                stepsize_controller=dx.PIDController(rtol=tolerance, atol=tolerance),
                max_steps=16384,
            ).ys

        return lambda p: jax.vmap(one)(p) * scale

    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6):
        run = jax.jit(solved(tolerance))
        error = error_of(np.asarray(run(values)), exact)
        if error <= ASKED:
            break
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(weights * solved(tolerance)(p))))
    _, seconds = least(lambda: np.asarray(run(values)), 2)
    compiled, slow = least(lambda: np.asarray(gradient(values)), 1)
    return {
        "forward": seconds / batch,
        "gradient": slow / batch,
        "error": error,
        "compile gradient": compiled - slow,
        "tolerance": tolerance,
    }


def _huang_ferrell(model: Any, columns: list[str], jnp: Any) -> Callable[[Any, Any], Any]:
    """Thirty mass-action laws as one product; a constant of 1 stands for the second reactant of those with one."""
    states, laws = list(model.states), list(model.laws)
    counts = model.stoichiometry().loc[states, laws].to_numpy()
    factors = [[a.id for a in law.arguments] for law in model.laws.values()]
    constant = np.array([columns.index(next(f for f in fs if f in columns)) for fs in factors])
    reactants = [[states.index(f) for f in fs if f in states] + [len(states)] for fs in factors]
    first, second = (np.array([r[i] for r in reactants]) for i in (0, 1))

    def slope(y: Any, p: Any) -> Any:
        x = jnp.append(y, 1.0)
        return counts @ (p[constant] * x[first] * x[second])

    return slope


def _repressilator(model: Any, columns: list[str], jnp: Any) -> Callable[[Any, Any], Any]:
    """The laws as they stand, each evaluated by name."""
    from sbml_hybrid.mechanism.kinetics import evaluate
    from sbml_hybrid.mechanism.odes import right_hand_side

    odes = right_hand_side(model)
    trees = [*odes.definitions]

    class Namespace:
        """jax.numpy, with the two functions by which formulas make their numbers tensors."""

        def __getattr__(self, name: str) -> Any:
            return getattr(jnp, name)

        @staticmethod
        def convert_to_tensor(value: Any, dtype: Any = None) -> Any:
            return jnp.asarray(value, dtype=dtype)

        @staticmethod
        def cast(value: Any, dtype: Any) -> Any:
            return jnp.asarray(value).astype(dtype)

    xp = Namespace()

    def slope(y: Any, p: Any) -> Any:
        values = dict(odes.held_values) | {c: p[i] for i, c in enumerate(columns)}
        values |= {v: y[i] for i, v in enumerate(odes.variables)}
        for id, tree in trees:
            values[id] = evaluate(tree, values, xp=xp)
        return jnp.stack([evaluate(tree, values, xp=xp) for tree in odes.derivatives])

    return slope


def measured(arm: str, name: str, batch: int) -> dict[str, Any]:
    """One arm, in this process."""
    kind, _, which = arm.partition(" ")
    if kind == "libroadrunner":
        return libroadrunner(name, batch)
    return layer(name, batch, which) if kind == "layer" else diffrax(name, batch, which)


def in_own_process(arm: str, name: str, batch: int) -> dict[str, Any] | None:
    """One arm, in a process of its own; None where it cannot run."""
    environment = os.environ | {"KERAS_BACKEND": "jax" if "jax" in arm else "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--one", arm, name, str(batch)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"{arm}, {name}, {batch}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run the arms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(ENDS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64, 1024])
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.one[0], asked.one[1], int(asked.one[2]))))
        return
    print("| model | arm | batch | forward, ms a trajectory | gradient, ms | error | compile of the gradient, s | |")
    print("|---|---|---|---|---|---|---|---|")
    for name in asked.models:
        for arm in asked.arms:
            for batch in asked.batches:
                if arm.startswith("diffrax") and (batch > 64 or ("Tsit5" in arm and name == "huang_ferrell_1996")):
                    continue  # minutes to hours
                found = in_own_process(arm, name, batch)
                if found is not None:
                    print(_row(name, arm, batch, found), flush=True)


def _row(name: str, arm: str, batch: int, found: dict[str, Any]) -> str:
    gradient = f"{found['gradient'] * 1e3:.3g}" if "gradient" in found else ""
    compiled = f"{found['compile gradient']:.1f}" if "gradient" in found else ""
    how = f"{found['method']}, {found['steps']} steps" if "method" in found else f"tolerance {found['tolerance']:g}"
    forward = f"{found['forward'] * 1e3:.3g}"
    return f"| {name} | {arm} | {batch} | {forward} | {gradient} | {found['error']:.1e} | {compiled} | {how} |"


if __name__ == "__main__":
    main()
