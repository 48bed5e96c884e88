"""Formulas as LaTeX, as a paper prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Time, Tree, fold

_Ranked = tuple[str, int]  # LaTeX, and how tightly its outermost operator binds

_LOWER = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega"
)
_UPPER = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
GREEK = frozenset([*_LOWER.split(), *_UPPER.split()])
_COMMANDS = "exp ln sin cos tan sec csc cot sinh cosh tanh coth arcsin arccos arctan min max"
_KNOWN = frozenset(_COMMANDS.split())  # the functions that LaTeX has a command for
_SIGNS = {
    "or": (r" \vee ", 1),
    "xor": (r" \oplus ", 1),
    "implies": (r" \Rightarrow ", 1),
    "and": (r" \wedge ", 2),
    "lt": (" < ", 3),
    "leq": (r" \leq ", 3),
    "gt": (" > ", 3),
    "geq": (r" \geq ", 3),
    "eq": (" = ", 3),
    "neq": (r" \neq ", 3),
    "plus": (" + ", 4),
    "minus": (" - ", 4),
    "times": (r" \cdot ", 5),
}
_FENCES = {
    "abs": (r"\left|", r"\right|"),
    "floor": (r"\left\lfloor ", r"\right\rfloor "),
    "ceiling": (r"\left\lceil ", r"\right\rceil "),
}
_ESCAPES = {c: f"\\{c}" for c in "_{}$%#&"} | {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim "}


def to_latex(tree: Tree, names: Mapping[str, str] | None = None) -> str:
    r"""Print `tree` as LaTeX, without the dollar signs.

    Parameters
    ----------
    tree
        A formula.
    names
        Id -> the LaTeX that stands for it; the other ids are set as `id_to_latex` does.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.reader import parse_formula
    >>> print(to_latex(parse_formula("V_max*S/(Km + S)"), names={"Km": "K_M"}))
    \frac{\mathrm{V}_{\mathrm{max}} \cdot \mathrm{S}}{K_M + \mathrm{S}}
    """
    names = names or {}

    def one(node: Tree, parts: list[_Ranked]) -> _Ranked:
        match node:
            case Number(value=value):
                return _number(value)
            case Name(id=name):
                return names.get(name) or id_to_latex(name), 9
            case Time():
                return "t", 9
            case Call(operator=operator):
                return _operator(operator, node.arguments, parts)
        return _function(id_to_latex(node.function), parts)

    return fold(tree, one)[0]


def id_to_latex(id: str) -> str:
    r"""Return the LaTeX of an id: ``KK_pp`` has a subscript, ``alpha`` is a Greek letter.

    Different ids give different LaTeX.

    Examples
    --------
    >>> print(id_to_latex("alpha_1"), id_to_latex("KK_pp"), id_to_latex("k1"))
    \alpha_{\mathrm{1}} \mathrm{KK}_{\mathrm{pp}} \mathrm{k1}
    """
    stem, _, below = id.partition("_")
    return f"{_symbol(stem)}_{{{_symbol(below)}}}" if stem and below else _symbol(id)


def _symbol(word: str) -> str:
    return rf"\{word}" if word in GREEK else rf"\mathrm{{{''.join(_ESCAPES.get(c, c) for c in word)}}}"


def _number(value: float) -> _Ranked:
    if isinstance(value, bool):
        return rf"\mathrm{{{str(value).lower()}}}", 9
    if value != value:
        return r"\mathrm{NaN}", 9
    sign, size = ("-", 5) if value < 0 else ("", 9), abs(value)
    if size in (math.pi, math.inf, math.e):
        return sign[0] + {math.pi: r"\pi", math.inf: r"\infty", math.e: "e"}[size], sign[1]
    digits, _, exponent = repr(float(size)).removesuffix(".0").partition("e")
    if not exponent:
        return sign[0] + digits, sign[1]
    power = f"10^{{{int(exponent)}}}"
    return sign[0] + (power if digits == "1" else rf"{digits} \cdot {power}"), min(sign[1], 8 if digits == "1" else 6)


def _operator(operator: str, arguments: tuple[Tree, ...], parts: list[_Ranked]) -> _Ranked:
    plain = [text for text, _ in parts]
    if operator in _SIGNS and len(parts) > 1:
        return _infix(*_SIGNS[operator], parts)
    match operator, plain:
        case "minus", [_]:
            return f"-{_fenced(parts[0], 5)}", 5
        case "not", [_]:
            return rf"\neg {_fenced(parts[0], 9)}", 8
        case "divide", [above, below]:
            return rf"\frac{{{above}}}{{{below}}}", 8
        case "power", [_, exponent]:
            return f"{{{_fenced(parts[0], 9)}}}^{{{exponent}}}", 8
        case "root", [_, x] if arguments[0] == Number(2.0):
            return rf"\sqrt{{{x}}}", 9
        case "root", [degree, x] if isinstance(arguments[0], Number):
            return rf"\sqrt[{degree}]{{{x}}}", 9
        case "root", [degree, _]:
            return rf"{{{_fenced(parts[1], 9)}}}^{{\frac{{1}}{{{degree}}}}}", 8
        case "log", [base, _]:
            return rf"\log_{{{base}}}\left({plain[1]}\right)", 9
        case "abs" | "floor" | "ceiling", [x]:
            left, right = _FENCES[operator]
            return left + x + right, 9
        case "factorial", [_]:
            return f"{_fenced(parts[0], 9)}!", 8
        case "rateOf", [x]:
            return rf"\dot{{{x}}}", 9
        case "piecewise", _:
            return _cases(plain), 9
    return _function(rf"\{operator}" if operator in _KNOWN else rf"\operatorname{{{operator}}}", parts)


def _infix(sign: str, rank: int, parts: list[_Ranked]) -> _Ranked:
    text = _fenced(parts[0], rank + (rank < 4))
    for part in parts[1:]:
        if sign == " + " and part[0].startswith("-"):
            text += f" - {part[0][1:]}"
        else:
            text += sign + _fenced(part, 10 if part[0].startswith("-") else rank + 1)
    return text, rank


def _cases(plain: list[str]) -> str:
    rows = [rf"{piece} & \text{{if }} {when}" for piece, when in zip(plain[0:-1:2], plain[1::2], strict=False)]
    if len(plain) % 2:
        rows.append(rf"{plain[-1]} & \text{{otherwise}}")
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


def _function(name: str, parts: list[_Ranked]) -> _Ranked:
    return rf"{name}\left({', '.join(text for text, _ in parts)}\right)", 9


def _fenced(part: _Ranked, rank: int) -> str:
    text, own = part
    return text if own >= rank else rf"\left({text}\right)"
