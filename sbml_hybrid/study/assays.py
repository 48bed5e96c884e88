"""What a study says of its measurements, as `measure` takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sbml_hybrid.errors import SbmlHybridError, StudyError
from sbml_hybrid.measurement.constraints import constraint_from_dict
from sbml_hybrid.measurement.effects import Scaling, effect_from_dict
from sbml_hybrid.measurement.gaps import gap_from_dict
from sbml_hybrid.measurement.limits import Limits
from sbml_hybrid.measurement.noise import kind_of, noise_from_dict
from sbml_hybrid.measurement.plates import Plates
from sbml_hybrid.study.sections import Measurement

_HINT = "Write a kind and its numbers, such as lognormal:0.1 (10 %), normal:0.05 or linear:0.1,0.05."


def assay_of(asked: Measurement, place: str) -> dict[str, Any]:
    """Return the arguments of `measure` that a study's ``[measure]`` stands for.

    Parameters
    ----------
    asked
        The section.
    place
        Where it was read, for the errors.

    Raises
    ------
    StudyError
        A part of it cannot be made, with the reason.
    """
    noise = asked.noise
    return {
        "observables": asked.observables,
        "noise": noise_from_text(noise) if isinstance(noise, str) else _made("noise", noise_from_dict, noise, place),
        "keep": asked.keep,
        "schedule": asked.schedule,
        "scaling": _made("scaling", lambda said: Scaling(**said), asked.scaling, place),
        "plates": _made("plates", lambda said: Plates(**said), asked.plates, place),
        "effects": [_made("effects", effect_from_dict, one, place) for one in asked.effects],
        "replicates": asked.replicates,
        "constraints": [_made("constraints", constraint_from_dict, one, place) for one in asked.constraints],
        "limits": _made("limits", lambda said: Limits(**said), asked.limits, place),
        "gaps": [_made("gaps", gap_from_dict, one, place) for one in asked.gaps],
        "seed": asked.seed,
    }


def noise_from_text(text: str) -> Any:
    """Return the noise model that ``"lognormal:0.1"`` or ``"linear:0.1,0.05"`` says: its kind and its numbers."""
    kind, _, numbers = text.partition(":")
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError as error:
        raise StudyError(f"The noise {text!r} cannot be read. {_HINT}") from error
    try:
        return kind_of(kind.strip())(*values)
    except ValueError as error:  # out of range, which it says
        raise StudyError(f"The noise {text!r}: {error}") from error
    except TypeError as error:  # too few numbers, or too many
        raise StudyError(f"The noise {text!r} does not have the numbers that its kind takes. {_HINT}") from error


def _made(setting: str, make: Callable[[Mapping], Any], said: Mapping | None, place: str) -> Any:
    if said is None:
        return None
    try:
        return make(said)
    except (SbmlHybridError, ValueError, TypeError) as error:
        raise StudyError(f"{setting} in [measure] of {place}: {error}") from error
