"""What every operator of MathML does to numbers, in the array namespace that it is handed.

Where SBML leaves a value open, or libSBML and libroadrunner differ, libroadrunner is followed: it
computes the trajectories. So a comparison with NaN holds, NaN counts as false, a remainder has the
sign of its dividend and a quotient is cut towards zero. Where libroadrunner loses digits, overflows
or crashes on the way to a value that exists (``coth(800)``, ``arcsinh(1e-9)``, ``factorial(inf)``),
the value is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

RELATIONS = frozenset({"lt", "leq", "gt", "geq", "eq", "neq"})
LOGICAL = frozenset({"and", "or", "xor", "not", "implies"})
LARGEST_FACTORIAL = 170  # 171! is infinite in double precision


def apply(operator: str, arguments: Sequence[Any], xp: Any = np, dtype: Any = None) -> Any:
    """Return `operator` of `arguments`.

    Parameters
    ----------
    operator
        A key of `OPERATORS`, or ``piecewise``.
    arguments
        Numbers, booleans or arrays that broadcast; a boolean counts as 0 or 1 where a number is
        meant, and a number other than 0 as true where a condition is meant.
    xp
        The array namespace: NumPy or ``keras.ops``.
    dtype
        What a number becomes where `xp` needs an array of it; NumPy does without.
    """
    if xp is not np and all(isinstance(a, bool | float) for a in arguments):
        # float64 to the last digit, and still a plain number that takes the precision of its partner.
        return np.asarray(apply(operator, [np.asarray(a)[()] for a in arguments])).item()
    if operator == "piecewise":
        return _piecewise(xp, arguments, dtype)
    if operator in LOGICAL:
        return OPERATORS[operator](xp, *[_truth(xp, a) for a in arguments])
    numbers = [_number(xp, a, dtype) for a in arguments]
    if xp is not np and operator not in {"root", "log"}:  # these two look at a plain degree or base
        numbers = [_tensor(xp, n, dtype) for n in numbers]
    return OPERATORS[operator](xp, *numbers)


def _piecewise(xp: Any, parts: Sequence[Any], dtype: Any) -> Any:
    result = _number(xp, parts[-1], dtype) if len(parts) % 2 else math.nan
    pairs = list(zip(parts[0:-1:2], parts[1::2], strict=False))
    for piece, condition in reversed(pairs):
        piece = _number(xp, piece, dtype)
        piece = piece if xp is np else _tensor(xp, piece, dtype)
        result = xp.where(_truth(xp, condition), piece, result)
    return result if pairs or xp is not np else np.float64(result)


def _tensor(xp: Any, value: Any, dtype: Any) -> Any:
    """A plain number beside tensors, as precise as they are: Keras would make it float32 for some operators."""
    return xp.convert_to_tensor(value, dtype=dtype) if isinstance(value, float) else value


def _is_boolean(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", None)  # NumPy's and JAX's; TensorFlow's dtype has none
    return kind == "b" if kind is not None else isinstance(value, bool) or "bool" in str(getattr(value, "dtype", ""))


def _truth(xp: Any, value: Any) -> Any:
    return value if _is_boolean(value) else xp.greater(xp.abs(value), 0.0)


def _number(xp: Any, value: Any, dtype: Any) -> Any:
    if not _is_boolean(value):
        return value
    return float(value) if isinstance(value, bool) else value.astype(float) if xp is np else xp.cast(value, dtype)


def _chain(opposite: str) -> Callable[..., Any]:
    """A relation of n arguments holds between each and the next: where its opposite does not."""

    def holds(xp: Any, *a: Any) -> Any:
        each = [xp.logical_not(getattr(xp, opposite)(x, y)) for x, y in zip(a, a[1:], strict=False)]
        return reduce(xp.logical_and, each)

    return holds


def _equal(xp: Any, x: Any, y: Any) -> Any:
    return xp.logical_not(xp.logical_or(xp.less(x, y), xp.greater(x, y)))


def _factorial(xp: Any, x: Any) -> Any:
    """The product x (x - 1) (x - 2) ... as long as the factors are positive; 1 for a negative number."""
    factors = [xp.subtract(x, float(k)) for k in range(LARGEST_FACTORIAL + 1)]
    return reduce(lambda product, factor: product * xp.where(xp.less_equal(factor, 0.0), 1.0, factor), factors, 1.0)


def _remainder(xp: Any, x: Any, y: Any) -> Any:
    """The remainder has the sign of the dividend, as in C and in SBML, and is exact."""
    size = xp.mod(apply("abs", [x], xp), apply("abs", [y], xp))
    return xp.where(xp.less(x, 0.0), xp.negative(size), size)


def _minus(xp: Any, x: Any, y: Any = None) -> Any:
    return xp.negative(x) if y is None else xp.subtract(x, y)


def _root(xp: Any, degree: Any, x: Any) -> Any:
    is_square = isinstance(degree, float) and degree == 2.0
    return xp.sqrt(x) if is_square else xp.power(x, apply("divide", [1.0, degree], xp))


def _log(xp: Any, base: Any, x: Any) -> Any:
    is_decimal = isinstance(base, float) and base == 10.0
    return xp.log10(x) if is_decimal else xp.divide(apply("ln", [x], xp), apply("ln", [base], xp))


def _larger(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(xp.greater(x, y), x, y)


def _smaller(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(xp.less(x, y), x, y)


def _every(function: Callable[..., Any], empty: Any) -> Callable[..., Any]:
    """The operator on any number of arguments, from the left; `empty` of none."""
    return lambda xp, *a: reduce(lambda x, y: function(xp, x, y), a) if a else empty


def _plain(function: str) -> Callable[..., Any]:
    return lambda xp, *a: getattr(xp, function)(*a)


def _of_inverse(function: str) -> Callable[..., Any]:
    return lambda xp, x: getattr(xp, function)(xp.divide(1.0, x))


def _inverse_of(function: str) -> Callable[..., Any]:
    return lambda xp, x: xp.divide(1.0, getattr(xp, function)(x))


OPERATORS: dict[str, Callable[..., Any]] = {
    "plus": _every(_plain("add"), 0.0),
    "times": _every(_plain("multiply"), 1.0),
    "minus": _minus,
    "divide": _plain("divide"),
    "power": _plain("power"),
    "root": _root,
    "log": _log,
    "abs": _plain("abs"),
    "exp": _plain("exp"),
    "ln": _plain("log"),
    "floor": _plain("floor"),
    "ceiling": _plain("ceil"),
    "factorial": _factorial,
    "quotient": lambda xp, x, y: xp.trunc(xp.divide(x, y)),
    "rem": _remainder,
    "min": _every(_smaller, math.inf),
    "max": _every(_larger, -math.inf),
    "lt": _chain("greater_equal"),
    "leq": _chain("greater"),
    "gt": _chain("less_equal"),
    "geq": _chain("less"),
    "eq": lambda xp, *a: reduce(xp.logical_and, [_equal(xp, x, y) for x, y in zip(a, a[1:], strict=False)]),
    "neq": lambda xp, *a: reduce(xp.logical_and, [xp.not_equal(x, y) for x, y in zip(a, a[1:], strict=False)]),
    "and": _every(_plain("logical_and"), True),
    "or": _every(_plain("logical_or"), False),
    "xor": _every(_plain("logical_xor"), False),
    "not": _plain("logical_not"),
    "implies": lambda xp, x, y: xp.logical_or(xp.logical_not(x), y),
    **{f: _plain(f) for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f: _plain(f) for f in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
    **{f: _inverse_of(g) for f, g in (("sec", "cos"), ("csc", "sin"), ("cot", "tan"))},
    **{f: _inverse_of(g) for f, g in (("sech", "cosh"), ("csch", "sinh"), ("coth", "tanh"))},
    **{f: _of_inverse(g) for f, g in (("arcsec", "arccos"), ("arccsc", "arcsin"), ("arccot", "arctan"))},
    **{f: _of_inverse(g) for f, g in (("arcsech", "arccosh"), ("arccsch", "arcsinh"), ("arccoth", "arctanh"))},
}
