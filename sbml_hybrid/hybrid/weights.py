"""How much a penalty weighs: one number, a schedule over epochs, or as much as it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sbml_hybrid.errors import is_number

Shape = Literal["linear", "exponential"]
Of = Literal["penalty", "data"]


@dataclass(frozen=True)
class Scheduled:
    """A weight that goes from `start` to `end` in so many epochs, and stays there.

    Fall, to let networks learn slowly and then freely; rise, to let the fit find its way before it is tidied up.

    Parameters
    ----------
    start, end
        The weight in the first epoch, and from epoch `epochs` (counted from 0) on; zero or more.
    epochs
        How many epochs it takes, 1 or more.
    shape
        ``"linear"``: the same step each epoch; ``"exponential"``: the same factor, for which both ends are positive.

    Examples
    --------
    >>> [round(Scheduled(1.0, 0.01, epochs=4, shape="exponential").at(epoch), 3) for epoch in range(6)]
    [1.0, 0.316, 0.1, 0.032, 0.01, 0.01]
    """

    start: float
    end: float
    epochs: int
    shape: Shape = "linear"

    def __post_init__(self) -> None:
        require_not_negative("start", self.start)
        require_not_negative("end", self.end)
        require_whole("epochs", self.epochs)
        require_one_of("shape", self.shape, get_args(Shape))
        if self.shape == "exponential" and not (self.start > 0 and self.end > 0):
            raise ValueError(
                f"An exponential schedule needs two positive ends, got start={self.start!r}, end={self.end!r}; "
                "take a small one, or shape='linear'."
            )

    def at(self, epoch: int) -> float:
        """Return the weight in an epoch, the first being 0."""
        done = min(max(epoch / self.epochs, 0.0), 1.0)
        if self.shape == "linear":
            return self.start + done * (self.end - self.start)
        return self.start * (self.end / self.start) ** done


@dataclass(frozen=True)
class DualAscent:
    """A weight that rises, epoch by epoch, until what it is about is as small as asked.

    Of ``"penalty"``: ``weight += rate * (value - target)`` between 0 and `largest`, with the penalty's mean in the
    epoch. The penalty ends at `target` or, with the weight at 0, below.

    Of ``"data"``: the schedule of APHYNITY (Yin et al. 2021, doi:10.1088/1742-5468/ac3ae5), which minimises
    ``importance * data loss + penalty`` and raises the importance of the data: ``importance += rate * (data loss -
    target)``. The weight is 1 / importance, so that the data loss keeps its size: here a weight that falls as long as
    the data are not fitted. Theirs has target 0, and ``start = 1 / lambda_0``.

    Parameters
    ----------
    target
        What the penalty should come down to, zero or more; or the data loss, any number: minus a mean log likelihood is
        negative where the noise is small in the data's unit.
    rate
        How fast, positive. Too fast, and the penalty swings about its target.
    start
        The weight in the first epoch; positive for ``of="data"``.
    largest
        Where the weight stops rising, positive.
    of
        ``"penalty"`` or ``"data"``: what has the target.

    Examples
    --------
    >>> DualAscent(target=0.1, rate=2.0).after(weight=1.0, value=0.4)
    1.6
    >>> DualAscent(target=0.0, rate=10.0, start=1.0, of="data").after(weight=1.0, value=0.1)  # lambda from 1 to 2
    0.5
    """

    target: float
    rate: float
    start: float = 0.0
    largest: float = 1e6
    of: Of = "penalty"

    def __post_init__(self) -> None:
        if self.of == "data" and not is_number(self.target):
            raise ValueError(f"target must be a number, got {self.target!r}.")
        if self.of != "data":
            require_not_negative("target", self.target)
        require_positive("rate", self.rate)
        require_not_negative("start", self.start)
        require_positive("largest", self.largest)
        require_one_of("of", self.of, get_args(Of))
        if self.start > self.largest:
            raise ValueError(f"start must not be above largest, got start={self.start!r}, largest={self.largest!r}.")
        if self.of == "data" and self.start == 0:
            raise ValueError("Dual ascent of the data starts at 1 / lambda_0: start must be positive, got 0.")

    def after(self, weight: float, value: float) -> float:
        """Return the next weight, after an epoch in which the penalty, or the data loss, was `value` on average."""
        if value != value:
            return weight  # an epoch that has no value says nothing
        step = self.rate * (value - self.target)
        if self.of == "penalty":
            return min(max(weight + step, 0.0), self.largest)
        importance = 1.0 / weight + step
        return 1.0 / importance if importance * self.largest > 1.0 else self.largest


Weight = float | Scheduled | DualAscent


def require_weight(weight: Any) -> None:
    """Raise a ValueError for what is neither a number, zero or more, nor a weight that changes."""
    if not isinstance(weight, Scheduled | DualAscent) and not (is_number(weight) and weight >= 0):
        raise ValueError(
            f"weight must be zero or more, Scheduled(start, end, epochs) or DualAscent(target, rate), got {weight!r}."
        )


def require_not_negative(name: str, value: Any) -> None:
    """Raise a ValueError for what is no finite number, zero or more."""
    if not (is_number(value) and value >= 0):
        raise ValueError(f"{name} must be a number, zero or more, got {value!r}.")


def require_positive(name: str, value: Any) -> None:
    """Raise a ValueError for what is no finite positive number."""
    if not (is_number(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, got {value!r}.")


def require_whole(name: str, value: Any) -> None:
    """Raise a ValueError for what is no whole number, 1 or more."""
    if not (is_number(value) and value >= 1 and value == int(value)):
        raise ValueError(f"{name} must be a whole number, 1 or more, got {value!r}.")


def require_one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise a ValueError for what is not among the known words."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}.")
