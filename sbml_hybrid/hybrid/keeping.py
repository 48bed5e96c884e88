"""What is kept of a hybrid, and judged: its configuration, its starts one by one, its estimates and its error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.errors import ModelError
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.fitting import Fitted
from sbml_hybrid.hybrid.weighing import penalty_from_dict, to_dict
from sbml_hybrid.measurement import noise as noises
from sbml_hybrid.simulation import priors

_FINER, _MORE = 100, 6  # a tolerance, and the steps that a method of order 3 takes for it


class Kept(Fitted):
    """A hybrid that can be kept, taken apart into its starts, and judged; the computing is that of `HybridModel`."""

    def get_config(self) -> dict[str, Any]:
        """Return all that makes the model again, without weights."""

        def said(network: Any) -> Any:
            return None if network is None else keras.saving.serialize_keras_object(network)

        return {
            "name": self.name,
            "simulate": said(self.simulate),
            "estimate": {name: priors.to_dict(law) for name, law in self.estimated.laws.items()},
            "before": said(self.before),
            "after": said(self.after),
            "noise": None if self.noise is None else noises.to_dict(self.noise),
            "scaling": list(self.likelihood.scaling),
            "penalties": [to_dict(penalty) for penalty in self.penalties.penalties],
            "starts": self.starts,
            "seed": self.seed,
            "feature_shape": self._feature_shape,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Kept:
        """Return the model that `get_config` described."""
        config = dict(config)
        shape = config.pop("feature_shape", None)
        for name in ("simulate", "before", "after"):
            if isinstance(config[name], Mapping):
                config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        config["noise"] = None if config["noise"] is None else noises.noise_from_dict(config["noise"])
        config["penalties"] = tuple(penalty_from_dict(said) for said in config["penalties"])
        model = cls(**config)
        if shape is not None:
            model._build_before(shape)
        return model

    @classmethod
    def load(cls, path: Any) -> Kept:
        """Return a hybrid that was saved with ``save("name.keras")``."""
        return keras.models.load_model(path)

    # -- starts ------------------------------------------------------------------------------------

    def alone(self, start: int) -> Kept:
        """Return one start as a hybrid of its own, with the weights that it has."""
        one = self._like_this({**self.get_config(), "starts": 1})
        for many, mine in zip(self.variables, one.variables, strict=True):
            values = keras.ops.convert_to_numpy(many)
            mine.assign(values if values.shape == tuple(mine.shape) else values[start : start + 1])
        if self.compiled:
            said = self.optimizer.get_config()
            one.compile(type(self.optimizer).from_config(said), jit_compile=self.jit_compile)
        return one

    def _like_this(self, config: dict[str, Any]) -> Kept:
        """A new hybrid of this configuration, with the user's own classes, whether Keras knows them or not."""
        networks = (self.before, self.after, *(graft.network for graft in self.simulate.grafts))
        with keras.saving.custom_object_scope({type(one).__name__: type(one) for one in networks if one is not None}):
            return type(self).from_config(config)

    def error(self, x: Any) -> np.ndarray:
        """Measure the simulation's error with what was learned, against steps a hundred times finer.

        Before training, `Simulate.accuracy` says how near the mechanism is to libroadrunner, which knows no networks.

        Parameters
        ----------
        x
            Inputs by name, or a dataset.

        Returns
        -------
        array
            The largest error of each trajectory, in units of each observable's range over all of them (trajectory,), or
            (trajectory, start); NaN where one did not arrive.
        """
        config = self.get_config()
        accuracy = config["simulate"]["config"]["accuracy"]
        finer = {"local": accuracy["local"] / _FINER, "steps": accuracy["steps"] * _MORE}
        config["simulate"]["config"]["accuracy"] = accuracy | finer
        exact = self._like_this(config)
        exact.set_weights(self.get_weights())
        here, there = self.predict(x), exact.predict(x)
        axes = tuple(range(here.ndim - 1))
        ranges = np.nanmax(there, axis=axes) - np.nanmin(there, axis=axes)
        return (np.abs(here - there) / np.where(ranges > 0, ranges, 1.0)).max(axis=(-2, -1))

    def best(self, x: Any = None, y: Any = None) -> Kept:
        """Return the start with the highest likelihood alone.

        Parameters
        ----------
        x, y
            Inputs and target, or a dataset, to judge by; by default what the last epoch of `fit` told.
        """
        if x is not None:
            told = self.evaluate(x, y, return_dict=True)
            if self.starts > 1:
                self.start_losses.assign(np.array([told[f"loss_{i}"] for i in range(self.starts)]))
        losses = keras.ops.convert_to_numpy(self.start_losses)
        if self.starts > 1 and not np.isfinite(losses).any():
            raise ModelError("No start has a finite loss yet, so none is the best. Try: fit, or best(inputs, target).")
        return self.alone(0 if self.starts == 1 else int(np.nanargmin(losses)))

    def estimates(self) -> pd.DataFrame:
        """Return what is estimated: ``parameter``, ``start``, ``value`` (in the parameter's unit), ``loss``.

        Beside parameters there are ``sigma(y)``, ``scale(y)`` and ``offset(y)`` of observables. The spread over the
        starts with a low loss says how well the data determine a value.
        """
        values = {n: keras.ops.convert_to_numpy(v) for n, v in self.estimated.values().items()}
        losses = keras.ops.convert_to_numpy(self.start_losses)
        rows = [
            (name, start, float(value), float(losses[start]))
            for name, each in (values | self.likelihood.estimated()).items()
            for start, value in enumerate(each)
        ]
        return pd.DataFrame(rows, columns=["parameter", "start", "value", "loss"])
