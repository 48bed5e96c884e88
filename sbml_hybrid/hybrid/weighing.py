"""Penalties together: their weighted sum, weights that change from epoch to epoch, and as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sbml_hybrid.errors import SbmlHybridError, unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid import penalties as _penalties
from sbml_hybrid.hybrid.penalties import Penalty, Recorded
from sbml_hybrid.hybrid.weights import DualAscent, Scheduled
from sbml_hybrid.simulation import priors

DATA_LOSS = "data_loss"  # where the logs of an epoch have the mean loss on the data, without penalties
KINDS = {
    kind.__name__: kind
    for kind in (
        _penalties.LeastAction, _penalties.MechanismAlone, _penalties.Independence, _penalties.Identity,
        _penalties.Sensitivity, _penalties.ParameterPrior, _penalties.InputLasso,
    )
}  # fmt: skip
_WEIGHTS = {kind.__name__: kind for kind in (Scheduled, DualAscent)}


@keras.saving.register_keras_serializable(package="sbml_hybrid")
class Weights(keras.layers.Layer):
    """The penalties of a hybrid, and how much each weighs at present.

    A layer, so that a model that has it as an attribute keeps the weights among its variables: they change within `fit`
    without a new compilation, on TensorFlow and JAX, and are saved. A weight that is a plain number is a constant; with
    the number 0 the penalty is watched and adds nothing.

    Parameters
    ----------
    penalties
        The penalties; a second one of a kind is called ``least_action_2``.
    """

    def __init__(self, penalties: Sequence[Penalty] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.penalties = tuple(penalties)
        self.names = _names(self.penalties)
        self._changing = {
            name: self.add_weight(
                name=name, shape=(), initializer=keras.initializers.Constant(penalty.weight.start),
                dtype=keras.config.floatx(), trainable=False, autocast=False,
            )
            for name, penalty in zip(self.names, self.penalties, strict=True)
            if isinstance(penalty.weight, Scheduled | DualAscent)
        }  # fmt: skip
        self.built = True

    @property
    def needs_reduced(self) -> bool:
        """Whether a penalty needs the prediction without networks, which costs a second simulation."""
        return any(penalty.needs_reduced for penalty in self.penalties)

    @property
    def current(self) -> dict[str, float]:
        """What each penalty weighs now; not for use inside a compiled step."""
        return {
            name: float(keras.ops.convert_to_numpy(self._changing.get(name, penalty.weight)))
            for name, penalty in zip(self.names, self.penalties, strict=True)
        }

    def total(self, recorded: Recorded) -> tuple[Any, dict[str, Any]]:
        """Return the weighted sum to add to the loss, and each penalty's value before its weight, all scalars."""
        dtype = keras.backend.standardize_dtype(recorded.prediction.dtype)
        total, values = keras.ops.zeros((), dtype), {}
        for name, penalty in zip(self.names, self.penalties, strict=True):
            values[name] = value = keras.ops.cast(penalty.value(recorded), dtype)
            weight = self._changing.get(name, penalty.weight)
            if name in self._changing or weight > 0:
                total = total + keras.ops.cast(weight, dtype) * value
        return total, values

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Change the weights after an epoch, the first being 0; call it from a Keras callback.

        Parameters
        ----------
        epoch
            The epoch that has ended. A second `fit` begins the schedules again, unless it is given ``initial_epoch``.
        logs
            The epoch's means: of each penalty under its name, before its weight, and of the data loss under
            ``"data_loss"``.

        Raises
        ------
        ValueError
            What dual ascent follows is not in the logs.
        """
        for name, penalty in zip(self.names, self.penalties, strict=True):
            weight = penalty.weight
            if isinstance(weight, Scheduled):
                self._changing[name].assign(weight.at(epoch + 1))
            elif isinstance(weight, DualAscent):
                followed = name if weight.of == "penalty" else DATA_LOSS
                if followed not in logs:
                    raise ValueError(
                        f"The weight of {name!r} follows {followed!r}, and the epoch's logs have "
                        f"{', '.join(logs) or 'nothing'}. Keep a mean of it among the model's metrics."
                    )
                now = float(keras.ops.convert_to_numpy(self._changing[name]))
                self._changing[name].assign(weight.after(now, float(logs[followed])))

    def get_config(self) -> dict[str, Any]:
        """Return the penalties as plain values."""
        return {**super().get_config(), "penalties": [to_dict(penalty) for penalty in self.penalties]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Weights:
        """Return the layer that `get_config` described."""
        return cls(**{**config, "penalties": [penalty_from_dict(said) for said in config["penalties"]]})


def to_dict(penalty: Penalty) -> dict[str, Any]:
    """Return a penalty as plain values, as JSON and TOML hold them: its kind, its numbers, and its weight alike."""
    return _said(penalty)


def penalty_from_dict(said: Mapping[str, Any]) -> Penalty:
    """Return the penalty that `to_dict` described.

    Raises
    ------
    UnknownName
        There is no such penalty or weight, or it has no such setting.
    ValueError
        A value is missing or out of range.
    """
    settings = dict(said)
    if isinstance(settings.get("weight"), Mapping):
        settings["weight"] = _built(settings["weight"], _WEIGHTS, "weight")
    if isinstance(settings.get("laws"), Mapping):
        settings["laws"] = {
            name: priors.prior_from_dict(law) if isinstance(law, Mapping) else law
            for name, law in settings["laws"].items()
        }
    return _built(settings, KINDS, "penalty")


def _said(record: Any) -> dict[str, Any]:
    values = {one.name: getattr(record, one.name) for one in fields(record)}
    return {
        "kind": type(record).__name__,
        **{name: _plain(value) for name, value in values.items() if value is not None},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Scheduled | DualAscent):
        return _said(value)
    if isinstance(value, Mapping):
        return {name: priors.to_dict(law) for name, law in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value.item() if hasattr(value, "item") else value


def _built(said: Mapping[str, Any], kinds: Mapping[str, type], what: str) -> Any:
    name = said.get("kind")
    if name not in kinds:
        raise unknown_name(what, str(name), kinds, "the hybrid")
    values = {key: value for key, value in said.items() if key != "kind"}
    known = [one.name for one in fields(kinds[name])]
    for key in values:
        if key not in known:
            raise unknown_name("setting", key, known, f"the {what} {name}")
    try:
        return kinds[name](**values)
    except SbmlHybridError:
        raise
    except TypeError as error:
        raise ValueError(f"The {what} {dict(said)} cannot be made: {error}. It takes {', '.join(known)}.") from error


def _names(penalties: Sequence[Penalty]) -> tuple[str, ...]:
    names: list[str] = []
    for penalty in penalties:
        before = sum(penalty.name == one.name for one in penalties[: len(names)])
        names.append(f"{penalty.name}_{before + 1}" if before else penalty.name)
    return tuple(names)
