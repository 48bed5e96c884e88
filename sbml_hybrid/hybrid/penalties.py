"""Penalties: what a hybrid should be like, besides near the data.

A penalty reads what was `Recorded` in one simulation of a batch and gives one number without a unit, smaller where the
hybrid is more like it should be. Times at which a trajectory never arrived count nowhere. All gradients are finite,
also where the mechanism or the networks give 0. The averages are over observation times, as they are given, not
over time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, get_args

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.hybrid.laws import distance, require_laws
from sbml_hybrid.hybrid.ports import AtPorts, centred, log_size, mask, mean_of, ops, size_of, unit_of
from sbml_hybrid.hybrid.trace import Trace
from sbml_hybrid.hybrid.weights import (
    DualAscent,
    Scheduled,
    Weight,
    require_one_of,
    require_positive,
    require_weight,
)

__all__ = [
    "DualAscent",
    "Identity",
    "Independence",
    "InputLasso",
    "LeastAction",
    "MechanismAlone",
    "ParameterPrior",
    "Penalty",
    "Recorded",
    "Scheduled",
    "Sensitivity",
]

Size = Literal["relative", "absolute", "log"]


@dataclass(frozen=True, eq=False)
class Recorded:
    """What one simulation of a batch left behind, for penalties to read.

    Parameters
    ----------
    trace
        What happened at the ports; it also says which times were reached, and has the parameters.
    prediction
        What the hybrid predicts, (trajectory, step, observable).
    reduced
        What it predicts with its networks off, alike; None where no penalty needs it.
    reduced_reached
        1 where the trajectory without networks reached that time and 0 where it did not (trajectory, step); None for
        the trace's own.
    parameter_names
        The names of ``trace.parameters``, in order.
    kernels
        Port -> the first kernel of its network, (input, unit).
    """

    trace: Trace
    prediction: Any
    reduced: Any = None
    reduced_reached: Any = None
    parameter_names: tuple[str, ...] = ()
    kernels: Mapping[str, Any] = field(default_factory=dict)


class Penalty(Protocol):
    """A number to add to a hybrid's loss.

    `name` is what it is called in the history of a fit; `needs_reduced` says that it takes a second simulation, without
    networks; `weight` is what its value is multiplied by.
    """

    name: ClassVar[str]
    needs_reduced: ClassVar[bool]
    weight: Weight

    def value(self, recorded: Recorded) -> Any:
        """Return the penalty before its weight, a scalar tensor."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Weighted:
    weight: Weight = 1.0
    needs_reduced: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_weight(self.weight)


@dataclass(frozen=True, kw_only=True)
class _OfPorts(_Weighted):
    ports: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ports is None:
            return
        ports = self.ports
        if not isinstance(ports, tuple | list) or not ports or not all(isinstance(port, str) for port in ports):
            raise ValueError(f"ports takes names, such as ports=('R3',), or None for all of them, got {ports!r}.")
        object.__setattr__(self, "ports", tuple(ports))


@dataclass(frozen=True, kw_only=True)
class _Relative(_OfPorts):
    floor: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("floor", self.floor)


@dataclass(frozen=True)
class LeastAction(_OfPorts):
    """The networks should add as little as the data allow (APHYNITY, Yin et al. 2021).

    With T what the model's own formula says and D what a network adds to it, the mean over times, trajectories and
    ports.

    Parameters
    ----------
    size
        ``"relative"``: (D / T)². T counts as at least `floor` times its mean size in the batch, so that a rate that
        passes 0 divides by no zero; a port whose formula is 0 everywhere counts in its own unit. A scaled law counts
        as its factor minus 1, whatever its parameters; elsewhere T is taken as it is, and nothing is gained where it
        grows.
        ``"absolute"``: D², in the port's unit squared, as published: for ports of one unit and size.
        ``"log"``: log(value / T)², for ``"scale"`` grafts only: half and double count the same.
    weight
        What the penalty is multiplied by.
    ports
        Which ones; None for all, and with ``"log"`` for all that are scaled.
    floor
        Share of T's mean size, positive.
    """

    size: Size = "relative"
    floor: float = 0.1
    name: ClassVar[str] = "least_action"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("size", self.size, get_args(Size))
        require_positive("floor", self.floor)

    def value(self, recorded: Recorded) -> Any:
        """Return the mean squared size of what the networks add."""
        xp = ops()
        at = AtPorts.of(self, recorded, only="scale" if self.size == "log" else None)
        if self.size == "absolute":
            action = at.learned
        elif self.size == "log":
            action = log_size(at.value) - log_size(at.own)
        else:
            size = unit_of(at.own, at.learned, at.there)
            action = at.learned / size / xp.maximum(at.given(xp.abs(at.own) / size), self.floor)
        return xp.mean(mean_of(xp.square(action), at.there))


@dataclass(frozen=True)
class MechanismAlone(_Weighted):
    """The mechanism without its networks should already predict well (after Takeishi & Kalousis, NeurIPS 2021).

    The mean squared difference between the prediction and the one with all networks off, each observable relative to
    its mean size in the batch. Takes a second simulation of each batch, and moves both predictions.

    Parameters
    ----------
    weight
        What the penalty is multiplied by.
    """

    name: ClassVar[str] = "mechanism_alone"
    needs_reduced: ClassVar[bool] = True

    def value(self, recorded: Recorded) -> Any:
        """Return the mean squared relative difference."""
        xp = ops()
        if recorded.reduced is None:
            raise ValueError("MechanismAlone needs the prediction without networks: give Recorded(reduced=...).")
        there = mask(recorded.trace.reached)
        if recorded.reduced_reached is not None:
            there = xp.logical_and(there, mask(recorded.reduced_reached))
        prediction = xp.where(there, recorded.prediction, 0.0)
        difference = xp.where(there, recorded.reduced, 0.0) - prediction
        return xp.mean(mean_of(xp.square(difference / unit_of(prediction, difference, there)), there))


@dataclass(frozen=True)
class Independence(_Relative):
    """What networks add should not go along with what the mechanism says: their correlation should vanish.

    The squared correlation (0 to 1) of T and D over all times and trajectories of the batch, averaged over ports. What
    is proportional to the mechanism belongs in its constants.

    Parameters
    ----------
    weight
        What the penalty is multiplied by.
    ports
        Which ones; None for all.
    floor
        A spread below this share of the mean size counts as none: of T's, and for D of the larger of T's and D's. So
        neither a constant nor a network at 0 correlates with anything. Positive.
    """

    name: ClassVar[str] = "independence"

    def value(self, recorded: Recorded) -> Any:
        """Return the mean squared correlation."""
        xp = ops()
        at = AtPorts.of(self, recorded)
        own = centred(at.own / size_of(at.there, at.own), at.there)
        learned = centred(at.learned / size_of(at.there, at.own, at.learned), at.there)
        together = mean_of(own * learned, at.there)
        for part in (own, learned):
            together = together / xp.sqrt(mean_of(xp.square(part), at.there) + self.floor**2)
        return xp.mean(xp.square(together))


@dataclass(frozen=True)
class Identity(_Relative):
    """What a network makes of the mechanism's answer should stay close to it (after Takeishi & Kalousis 2023).

    For each trajectory and port the mean of D² over times, relative to that of T²; then the mean over trajectories and
    ports. For networks behind the mechanism, on observables: small trajectories count as much as large ones, and a time
    at which T is 0 weighs no more than others.

    Parameters
    ----------
    weight
        What the penalty is multiplied by.
    ports
        Which ones; None for all.
    floor
        A trajectory whose T is smaller than this share of the mean size in the batch counts as of that size. Positive.
    """

    name: ClassVar[str] = "identity"

    def value(self, recorded: Recorded) -> Any:
        """Return the mean relative squared distance."""
        xp = ops()
        at = AtPorts.of(self, recorded)
        size = unit_of(at.own, at.learned, at.there)
        times = xp.sum(xp.cast(at.there, at.own.dtype), axis=1)  # (trajectory, 1)
        distance, energy = (
            xp.sum(xp.square(part / size), axis=1) / xp.maximum(times, 1.0) for part in (at.learned, at.own)
        )
        relative = distance / (at.given(energy) + self.floor**2)
        arrived = xp.minimum(times, 1.0)
        return xp.mean(xp.sum(arrived * relative, axis=0) / xp.maximum(xp.sum(arrived), 1.0))


@dataclass(frozen=True)
class Sensitivity(_Relative):
    """What is used at a port must depend on the mechanism: networks may not explain more of its variation than it does.

    The variation of value = T + D over all times and trajectories of the batch splits in two: var(value) =
    cov(value, T) + cov(value, D), and the second part exceeds the first by var(D) - var(T). The penalty is that excess
    in parts of the whole, ``max(0, var(D) - var(T)) / (var(D) + var(T))``, averaged over ports: 0 as long as the
    networks vary no more than the mechanism, near 1 where the mechanism hardly matters. A network that cancels the
    mechanism and puts something unrelated in its place costs 1/3 if that varies as much as T did, and more if it
    varies more. A constant D is free.

    Parameters
    ----------
    weight
        What the penalty is multiplied by.
    ports
        Which ones; None for all. Leave out latent states, whose own formula is 0.
    floor
        A spread below this share of the mean size of T and D counts as none. Positive.
    """

    name: ClassVar[str] = "sensitivity"

    def value(self, recorded: Recorded) -> Any:
        """Return the mean excess, from 0 to 1."""
        xp = ops()
        at = AtPorts.of(self, recorded)
        size = size_of(at.there, at.own, at.learned)
        own, learned = (mean_of(xp.square(centred(x / size, at.there)), at.there) for x in (at.own, at.learned))
        return xp.mean(xp.relu(learned - own) / (learned + own + self.floor**2))


@dataclass(frozen=True)
class ParameterPrior(_Weighted):
    """The parameters should be likely under their priors.

    Minus the logarithm of the density, summed over parameters and averaged over trajectories; for the positive laws
    (`LogNormal`, `LogUniform`) the density of the logarithm. What is likeliest counts 0. `Uniform` and `LogUniform`
    are 0 within and have a quadratic wall outside, as a cliff has no gradient.

    Parameters
    ----------
    laws
        Name of a parameter -> its law, from `sh.priors`.
    weight
        What the penalty is multiplied by.
    edge
        How steep the walls are: so much of the width outside counts as one standard deviation of a normal law.
    """

    laws: Mapping[str, Any]
    edge: float = 0.01
    name: ClassVar[str] = "parameter_prior"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("edge", self.edge)
        object.__setattr__(self, "laws", require_laws(self.laws))

    def value(self, recorded: Recorded) -> Any:
        """Return minus the mean log density, 0 for the likeliest parameters."""
        xp = ops()
        parameters, names = recorded.trace.parameters, tuple(recorded.parameter_names)
        total = 0.0
        for name, law in self.laws.items():
            if name not in names or parameters is None:
                raise unknown_name("parameter", name, names, "what the hybrid is given")
            total = total + 0.5 * xp.square(distance(law, parameters[:, names.index(name)], self.edge, xp))
        return xp.mean(total)


@dataclass(frozen=True)
class InputLasso(_OfPorts):
    """A network should use few of its inputs: a group lasso on the rows of its first kernel.

    The sum over inputs, and over ports, of the length of the input's row of weights. An input whose row is near 0 is
    not used.

    Parameters
    ----------
    weight
        What the penalty is multiplied by.
    ports
        Whose networks; None for all.
    """

    name: ClassVar[str] = "input_lasso"
    _small: ClassVar[float] = 1e-6  # below it the length is rounded off, and has a gradient at 0

    def value(self, recorded: Recorded) -> Any:
        """Return the sum of the rows' lengths."""
        xp = ops()
        kernels = recorded.kernels
        ports = tuple(kernels) if self.ports is None else self.ports
        if not ports:
            raise ValueError("InputLasso needs the networks' first kernels, and none are recorded. Graft a network.")
        total = 0.0
        for port in ports:
            if port not in kernels:
                raise unknown_name("network", port, kernels, "the grafts")
            kernel = xp.convert_to_tensor(kernels[port])
            squares = xp.sum(xp.square(xp.reshape(kernel, (kernel.shape[0], -1))), axis=1)
            total = total + xp.sum(xp.sqrt(squares + self._small**2) - self._small)
        return total


# -- what penalties of ports share ---------------------------------------------------------------
