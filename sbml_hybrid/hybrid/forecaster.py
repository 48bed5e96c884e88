"""A forecaster that is a mechanism: one network reads its state off a history, others are grafted on it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.errors import DataError, is_number, unknown_name
from sbml_hybrid.forecasting.forecaster import Forecaster, Lesson
from sbml_hybrid.forecasting.mechanistic import residual_inputs
from sbml_hybrid.forecasting.paths import Mechanism, NominalPath, draws_for, priors_for, quantities_among
from sbml_hybrid.forecasting.preparation import Preparation
from sbml_hybrid.hybrid.copies import from_plain, seeds_from, to_plain
from sbml_hybrid.measurement.observables import unlike
from sbml_hybrid.mechanism.kinetics import names
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.priors import around, names_of

if TYPE_CHECKING:
    from sbml_hybrid.hybrid.accuracy import Accuracy
    from sbml_hybrid.hybrid.assimilated import Assimilated
    from sbml_hybrid.hybrid.assimilation import Assimilation
    from sbml_hybrid.hybrid.grafts import Graft
    from sbml_hybrid.hybrid.penalties import Penalty
    from sbml_hybrid.hybrid.plan import Plan

log = logging.getLogger("sbml_hybrid")

_DECAY, _PATIENCE = 0.1, 8
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Hybrid(Forecaster):
    """A mechanism whose parameters and state a network reads off the history, with networks grafted on it.

    The mechanism runs from the start of the history through the horizon, so that a forecast is a trajectory of it. The
    network in front sees the history with its gaps and times, and answers with parameters and with the state that the
    history starts in; it learns to do so by how well the trajectory then meets history and horizon. Untrained it
    answers with the model's own parameters and course.

    A history that reaches back to the experiment's start (half of its usual length is near enough) starts there, at
    time 0, in the model's own initial state. A later one starts in a state of its own: the model's own at that time,
    each species changed by a bounded factor, then scaled to the totals of the conserved moieties. A model whose
    formulas mention time, or that has events, starts at time 0 always, and only its parameters are read off the
    history.

    Where a trajectory does not arrive, the forecast is the last value that it reached; the log says how often.

    Parameters
    ----------
    model
        The mechanism, right or wrong. Its observables are the dataset's channels, by formula or by id.
    grafts
        Networks on its ports. Each fit trains copies; the given ones stay as they are.
    estimate
        The parameters and initial amounts (``init(S1)``) that differ from trajectory to trajectory, by name;
        ``"prior"`` for what the training data varied; None for all that `around` varies. Known inputs that are among
        them are taken as they are known.
    fold
        How far they usually are from the model's own values, as a factor; they stay within its square.
    observables
        Channel -> formula, where the dataset does not say it and the channel is no id of the model.
    penalties
        What the hybrid should be like besides near the data.
    units
        Width of the network in front.
    epochs
        At most so many passes over the training data; training stops early when held-out draws gain nothing.
    batch
        Windows a training step.
    rate
        Learning rate at the start.
    tolerance
        The largest error of the simulation, in units of each state's range.
    precision
        ``"float32"`` or ``"float64"``: what the mechanism is computed in.
    """

    model: Model
    grafts: Sequence[Graft] = ()
    estimate: str | Sequence[str] | None = None
    fold: float = 2.0
    observables: Mapping[str, str] | None = None
    penalties: Sequence[Penalty] = ()
    units: int = 32
    epochs: int = 30
    batch: int = 64
    rate: float = 1e-2
    tolerance: float = 1e-2
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise ValueError(f"model must be a mechanism, as sh.load gives it, got {type(self.model).__name__}.")
        for name in ("grafts", "penalties"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list | tuple) else (value,))
        for graft in self.grafts:
            if not hasattr(graft, "port"):
                raise ValueError(f"grafts must be sh.Graft(...), got {graft!r}.")
        if not (self.estimate is None or self.estimate == "prior" or _names(self.estimate)):
            raise ValueError(f"estimate must be None, 'prior' or a list of names, got {self.estimate!r}.")
        if isinstance(self.estimate, list):
            object.__setattr__(self, "estimate", tuple(self.estimate))
        if not (is_number(self.fold) and self.fold > 1):
            raise ValueError(f"fold must be a factor above 1, got {self.fold!r}.")
        for name, least in (("units", 1), ("epochs", 0), ("batch", 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}.")
        if not (is_number(self.rate) and self.rate > 0):
            raise ValueError(f"rate must be above 0, got {self.rate!r}.")
        if not (is_number(self.tolerance) and 0 < self.tolerance < 1):
            raise ValueError(f"tolerance must be between 0 and 1, got {self.tolerance!r}.")
        if self.precision not in ("float32", "float64"):
            raise ValueError(f"precision must be float32 or float64, got {self.precision!r}.")

    def __getstate__(self) -> dict[str, Any]:
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "grafts": to_plain(self.grafts)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in {**state, "grafts": from_plain(state["grafts"])}.items():
            object.__setattr__(self, name, value)

    def learn(self, lesson: Lesson) -> HybridForecast:
        """Measure how finely to simulate, and train the networks on all windows of the training data."""
        from sbml_hybrid.forecasting.engine import keras
        from sbml_hybrid.forecasting.training import Examples, Schedule, train
        from sbml_hybrid.hybrid.callbacks import KeepGood

        past = lesson.windows
        preparation = Preparation.learn(lesson, "auto")
        grafts = to_plain(from_plain(to_plain(self.grafts), seeds_from(lesson.seed)))
        untrained = self._untrained(lesson, preparation, grafts)
        live = untrained.assembled(lesson.seed)
        if self.epochs:
            values = np.concatenate([past.values, past.target], axis=1)
            target = preparation.scaling.scaled(values).astype(np.float32)
            examples = Examples(untrained.inputs(past), target, past.draw)
            taught = np.isfinite(past.target).any(axis=(1, 2))
            weigh = keras.callbacks.LambdaCallback(on_epoch_end=live.penalties.on_epoch_end)
            schedule = Schedule(self.epochs, self.batch, self.rate, _DECAY, _PATIENCE)
            train(live, examples[taught], schedule, lesson.seed, self.name, [weigh, KeepGood()])
        return replace(untrained, arrays=tuple(np.asarray(w) for w in live.get_weights()))

    def _untrained(self, lesson: Lesson, preparation: Preparation, grafts: dict[str, Any]) -> HybridForecast:
        from sbml_hybrid.hybrid.assimilation import DRAWS, assimilation_of, library_of, reason_to_start_at_zero
        from sbml_hybrid.hybrid.plan import Plan
        from sbml_hybrid.hybrid.treatments import require_done

        past = lesson.windows
        known = quantities_among(self.model, past.inputs)
        laws = self._laws(lesson, known)
        plan = Plan(
            model=self.model, end=float(past.query_times.max()), parameters=(*laws, *known), initial=(), controls=(),
            doses=(), observables=self._formulas(lesson),
        )  # fmt: skip
        _require_quantities(plan)
        ports = [port for said in grafts["grafts"] for port in said["port"]]
        try:
            require_done(lesson.data, self.model, {*laws, *known, *ports}, (), ())
        except DataError as error:
            log.warning("%s forecasts without what was done to the training data: %s", self.name, error)
        reads_time = any("time" in said["inputs"] for said in grafts["grafts"])
        reason = reason_to_start_at_zero(plan, ports, reads_time)
        assimilation = assimilation_of(plan, list(laws), known, self.fold, past, restarts=not reason)
        reach = float((past.query_times[:, -1] - assimilation.begins(past)).max())
        points = past.times.shape[1] + past.query_times.shape[1]
        library = None
        if reason:
            log.info("%s: %s starts at time 0 for every forecast: %s", self.name, self.model.source, reason)
        else:
            draws = draws_for(laws, past.static[:, list(known.values())], list(known), DRAWS, lesson.seed)
            library = library_of(plan, draws, reach, points)
            assimilation = assimilation.informed(library, [port for port in ports if port.endswith("'")])
        start = HybridForecast(self, grafts, preparation, assimilation, past.inputs, {}, reach, points, None, {}, ())
        start = replace(start, shapes={name: x.shape[1:] for name, x in start.read(past).items()})
        layer = start.layer(1, library, laws)
        log.info("%s: %s", self.name, layer.accuracy)
        return replace(start, accuracy=layer.accuracy, ranges=dict(layer.ranges))

    def _formulas(self, lesson: Lesson) -> dict[str, str]:
        """Channel -> formula; refuse what the model does not have, and other units."""
        channels = lesson.windows.channels
        said = json.loads(lesson.data.attrs.get("observables", "{}")) | dict(self.observables or {})
        for name in self.observables or {}:
            if name not in channels:
                raise unknown_name("channel", name, channels, "the training data")
        formulas = {name: said.get(name, name) for name in channels}
        other = unlike(lesson.data, "measured", self.model, formulas)
        if "arbitrary" in other:
            log.warning("%s: the data has %s, and %s does not know their scale", self.name, other, self.model.source)
        elif other:
            raise DataError(f"{self.model.source} and the data have other units ({other}). Try sh.convert on the data.")
        return formulas

    def _laws(self, lesson: Lesson, known: Mapping[str, int]) -> dict[str, Any]:
        """What is estimated, each with a law that covers where it usually is."""
        asked = self.estimate
        if asked == "prior":
            priors = priors_for(self.model, "prior", lesson.data.attrs)
            asked = [name for label, law in priors.items() for name in names_of(label, law)]
        if asked is None:
            asked = list(around(self.model, self.fold))
        wanted = [name for name in asked if name not in known]
        return dict(around(self.model, self.fold, of=wanted)) if wanted else {}


def _require_quantities(plan: Plan) -> None:
    for name, tree in plan.trees.items():
        for id in names(tree):
            if id not in plan.model.by_id:
                raise unknown_name(
                    "quantity", id, plan.model.by_id, f"{plan.model.source} for the channel {name!r} (observables=)"
                )


def _names(estimate: Any) -> bool:
    return isinstance(estimate, list | tuple) and all(isinstance(name, str) for name in estimate)


@dataclass(frozen=True, eq=False)
class HybridForecast:
    """`Hybrid`, fitted, as plain values; the live networks are made when they are first asked.

    Parameters
    ----------
    hybrid
        The settings.
    grafts
        The grafts as plain values, as they were before training.
    preparation
        How windows become what the network in front reads.
    assimilation
        How its answers become parameters and states.
    columns
        Names of the known inputs.
    shapes
        Shapes of the inputs of the network in front.
    reach
        How long a simulation was at most in training, in the model's time unit.
    points
        How many times it was asked for.
    accuracy, ranges
        What was measured before training.
    arrays
        All weights, in Keras' order.
    """

    hybrid: Hybrid
    grafts: Mapping[str, Any]
    preparation: Preparation
    assimilation: Assimilation
    columns: tuple[str, ...]
    shapes: Mapping[str, Sequence[int]]
    reach: float
    points: int
    accuracy: Accuracy | None
    ranges: Mapping[str, Sequence[float]]
    arrays: tuple[np.ndarray, ...]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_live"}

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel)."""
        order = np.argsort(past.query_times, axis=1, kind="stable")
        sorted_times = np.take_along_axis(past.query_times, order, axis=1)
        inputs = self.inputs(replace(past, query_times=sorted_times))
        answers = self._answers(inputs)
        lost = np.isnan(answers).any(axis=(1, 2))
        if lost.any():
            log.warning(
                "%s: %d of %d trajectories did not arrive; their forecasts stay at the last value reached",
                self.hybrid.name, lost.sum(), len(lost),
            )  # fmt: skip
        ahead = self.preparation.scaling.unscaled(_held(answers))[:, past.times.shape[1] :]
        found = np.empty_like(ahead)
        np.put_along_axis(found, order[..., None], ahead, axis=1)
        return found

    def _answers(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        from sbml_hybrid.forecasting.networks.network import answers_of

        live = self._reaching(float(inputs["times"].max(initial=0.0)), inputs["times"].shape[1])
        return answers_of(live, inputs, _ROWS_AT_ONCE)

    def inputs(self, past: Windows) -> dict[str, np.ndarray]:
        """Return what the networks and the simulation are given, by name."""
        read = self.read(past)
        columns = {name: past.static[:, i] for i, name in enumerate(self.columns) if name in self._read_columns}
        return {"steps": read["steps"], "context": read["context"], **self.assimilation.inputs(past), **columns}

    def read(self, past: Windows) -> dict[str, np.ndarray]:
        """Return what the network in front reads: as others, and how the history differs from the model's own."""
        mechanism = Mechanism(self.hybrid.model, dict(self.assimilation.plan.observables), jobs=1)
        path = NominalPath(mechanism, dict(self.assimilation.known)).along(past)
        read = residual_inputs(self.preparation, past, path)
        return {name: read[name] for name in ("steps", "context")}

    @property
    def _read_columns(self) -> set[str]:
        return {name for said in self.grafts["grafts"] for name in said["inputs"]}

    @cached_property
    def _live(self) -> dict[int, Assimilated]:
        return {}

    def _reaching(self, end: float, points: int) -> Assimilated:
        """The live networks, with a simulation that goes far enough, in steps enough for so many times."""
        longer = 1
        while self.reach * longer < end * (1 - 1e-9) or self.points * longer < points:
            longer *= 2
        if longer not in self._live:
            self._live[longer] = self.assembled(0, longer)
        return self._live[longer]

    def assembled(self, seed: int, longer: int = 1) -> Assimilated:
        """Return the live networks: with the weights that were learned, or untrained, from a seed.

        `longer` is how many times as long the simulation is as it was at most in training.
        """
        from sbml_hybrid.hybrid.assimilated import Assimilated, encoder

        scaling = self.preparation.scaling
        front = encoder(self.shapes, self.assimilation.count, self.hybrid.units, seeds_from(seed))
        layer = self.layer(longer)
        live = Assimilated(front, layer, self.assimilation, scaling.centre, scaling.spread, self.hybrid.penalties)
        if self.arrays:
            live.set_weights(list(self.arrays))
        return live

    def layer(self, longer: int = 1, library: Any = None, laws: Mapping[str, Any] | None = None) -> Any:
        """Return the simulation layer; measured on a library or on laws, where it was not before."""
        from sbml_hybrid.hybrid.accuracy import measured
        from sbml_hybrid.hybrid.grafts import places_of
        from sbml_hybrid.hybrid.ranges import ranges_of
        from sbml_hybrid.hybrid.simulate import _PRECISE, Simulate

        hybrid, assimilation = self.hybrid, self.assimilation
        grafts = from_plain(self.grafts)
        settings = {
            "end": self.reach * longer,
            "parameters": assimilation.parameters,
            "initial": assimilation.initial,
            "observables": dict(assimilation.plan.observables),
            "tolerance": hybrid.tolerance,
            "precision": hybrid.precision,
        }
        if self.accuracy is not None:
            # A trajectory that is twice as long may take twice as many steps.
            accuracy = replace(self.accuracy, steps=self.accuracy.steps * longer)
            return Simulate(hybrid.model, grafts, **settings, accuracy=accuracy, ranges=dict(self.ranges))
        if library is None:
            return Simulate(hybrid.model, grafts, **settings, prior=dict(laws or {}))
        plan = replace(
            assimilation.plan, end=self.reach, parameters=assimilation.parameters, initial=assimilation.initial
        )
        exact = library.pieces(plan)
        accuracy = measured(plan, exact, hybrid.tolerance, None, _PRECISE[hybrid.precision])
        places = places_of(grafts, hybrid.model, settings["observables"], assimilation.parameters)
        ranges = ranges_of(places, plan, accuracy, exact)
        return Simulate(hybrid.model, grafts, **settings, accuracy=accuracy, ranges=ranges)


def _held(answers: np.ndarray) -> np.ndarray:
    """What was not reached becomes the last value reached; the mean, 0, where none was."""
    at = np.where(np.isnan(answers), -1, np.arange(answers.shape[1])[:, None])
    latest = np.maximum.accumulate(at, axis=1)
    found = np.take_along_axis(answers, np.maximum(latest, 0), axis=1)
    return np.where(latest >= 0, found, 0.0)
