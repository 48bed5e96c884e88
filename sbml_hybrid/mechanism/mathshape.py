"""The shape that MathML needs before libSBML may check it: it crashes on an operator that is not there."""

from __future__ import annotations

from sbml_hybrid.mechanism.infix import MAX_TERMS

_CIRCULAR = ("sin", "cos", "tan", "sec", "csc", "cot")
_COUNTS = {  # operator -> (fewest, most) arguments; libSBML crashes where one that it counts on is missing
    **dict.fromkeys(["plus", "times", "and", "or", "xor", "ci"], (0, None)),
    **dict.fromkeys(["max", "min"], (1, None)),
    **dict.fromkeys(["eq", "gt", "lt", "geq", "leq"], (2, None)),
    **dict.fromkeys(["divide", "power", "neq", "quotient", "rem", "implies"], (2, 2)),
    "minus": (1, 2),
    "delay": (2, 2),
    "apply": (0, 0),  # a published model has brackets written as <apply><apply>...</apply></apply>
    **dict.fromkeys(["root", "log", "abs", "exp", "ln", "floor", "ceiling", "factorial", "not", "rateOf"], (1, 1)),
    **dict.fromkeys([f"{arc}{f}{h}" for arc in ("", "arc") for f in _CIRCULAR for h in ("", "h")], (1, 1)),
}
_INSIDE = {"otherwise": 1, "bvar": 1, "degree": 1, "logbase": 1, "piece": 2}
_QUALIFIES = {"degree": "root", "logbase": "log"}


class MathShape:
    """Follows the elements of one file and says what is wrong in its formulas."""

    def __init__(self) -> None:
        self.children: list[list[str]] = []  # of each open element inside <math>
        self.open: list[str] = []

    def start(self, local: str, symbol: str = "") -> str | None:
        """Return what is wrong at the element `local` (the csymbol at the address `symbol`), or None."""
        if not self.open and local != "math":
            return None
        if local == "csymbol":
            local = symbol.strip().rpartition("/")[2] or local
        wrong = None
        if self.open:
            parent, before = self.open[-1], self.children[-1]
            if parent == "apply" and not before and local not in _COUNTS:
                wrong = f"<apply> that begins with <{local[:40]}> and not with an operator"
            elif local in {"delay", "rateOf"} and (parent != "apply" or before):
                wrong = f"the function {local} where a value should be"
            elif parent == "apply" and before == ["rateOf"] and local != "ci":
                wrong = f"rateOf of <{local[:40]}> and not of an id"
            elif local in _QUALIFIES and (parent != "apply" or before != [_QUALIFIES[local]]):
                wrong = f"<{local}> that does not follow <{_QUALIFIES[local]}>"
            elif parent == "piecewise" and local not in {"piece", "otherwise"}:
                wrong = f"<piecewise> with <{local[:40]}> in it"
            elif parent == "math" and before and self.open == ["math"] and local not in {"annotation"}:
                wrong = "<math> with two formulas in it"
            before.append(local)
        self.open.append(local)
        self.children.append([])
        return wrong

    def end(self) -> str | None:
        """Return what is missing in the element that ends, or None."""
        if not self.open:
            return None
        local, inside = self.open.pop(), self.children.pop()
        if local in {"apply", "math"} and not inside:
            return f"an empty <{local}>"
        if local == "apply" and len(inside) > MAX_TERMS:
            return f"<{inside[0]}> with over {MAX_TERMS} terms in a row, which is more than is read"
        if local == "apply":
            fewest, most = _COUNTS[inside[0]]
            given = sum(child not in _QUALIFIES for child in inside) - 1
            if given < fewest or most is not None and given > most:
                return f"<{inside[0]}> with {given} arguments"
        if local in _INSIDE and len(inside) != _INSIDE[local]:
            return f"<{local}> with {len(inside)} elements in it, not {_INSIDE[local]}"
        if local == "lambda" and (not inside or inside[-1] == "bvar" or inside.count("bvar") < len(inside) - 1):
            return "<lambda> that is not arguments and one formula"
        return None
