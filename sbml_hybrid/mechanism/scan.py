"""A look at XML before libSBML sees it: what would crash or flood the parser is refused.

The limits are far above every curated model (see docs/safety.md for both).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any
from xml.parsers import expat

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.composition import comp_size
from sbml_hybrid.mechanism.dependence import count_pairs, written_out_size
from sbml_hybrid.mechanism.infix import check_formula
from sbml_hybrid.mechanism.mathshape import MathShape

MAX_BYTES = 50_000_000
MAX_DEPTH = 400  # libSBML crashes at 10 000 nested elements, and our own walk over a formula recurses
MAX_ELEMENTS = 500_000
MAX_ATTRIBUTES = 1_000  # of one element
MAX_NAMESPACES = 1_000  # declared at one place of the file, by the elements around it
MAX_TOKEN = 100_000  # characters of an attribute; the parser's time grows with their square
MAX_COMMENT = 1_000_000
# libSBML's checks take the square of these; at the limit about half a minute.
MAX_OF = {"species": 100_000, "reaction": 20_000, "event": 20_000, "functionDefinition": 5_000}
MAX_PAIRS = 20_000  # formulas that depend on another, through others too: libSBML needs a second for these
MAX_FUNCTION_PAIRS = 600  # the same for functions, where it is slower yet
MAX_WRITTEN_OUT = 100_000  # nodes of one function with the functions it calls

# libSBML ends the process where an element's level, version and namespace do not go together.
_SPACES = {
    ("1", "1"): "level1",
    ("1", "2"): "level1",
    ("2", "1"): "level2",
    **{("2", str(version)): f"level2/version{version}" for version in (2, 3, 4, 5)},
    **{("3", str(version)): f"level3/version{version}/core" for version in (1, 2)},
}
_CORE = re.compile(r"http://www\.sbml\.org/sbml/level\d[^/]*(/version\d[^/]*(/core)?)?")
_NUMBERS = {"real", "integer", "e-notation", "rational"}
_DEFINES = {"assignmentRule": "variable", "initialAssignment": "symbol", "reaction": "id", "functionDefinition": "id"}


def scan(sbml: str, source: str) -> None:
    """Refuse what would crash or flood the parser.

    Raises
    ------
    ModelError
        The XML is broken, has a DTD, or is over one of this module's limits; the message names it.
    """
    look = _Look(source)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = look.start, look.end
    parser.CharacterDataHandler, parser.CommentHandler = look.text, look.comment
    parser.ProcessingInstructionHandler = look.instruction
    parser.StartDoctypeDeclHandler = look.doctype
    try:
        parser.Parse(sbml.encode(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ModelError(f"{source} is broken XML: line {error.lineno}, column {error.offset}: {reason}.") from None
    except UnicodeEncodeError as error:
        raise ModelError(f"{source} is not Unicode text: {error.reason} at character {error.start}.") from None
    look.check_root()
    if look.models != 1:  # libSBML crashes on submodels without a model
        has = "no <model>" if not look.models else f"{look.models} elements <model>"
        raise ModelError(f"{source} has {has}; an SBML file has one.")
    look.check_dependence()
    if look.count["submodel"]:
        comp_size(sbml, source)


class _Look:
    """What is counted while the parser goes through the file."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.path: list[str] = []
        self.namespaces: list[int] = []
        self.count: Counter[str] = Counter()
        self.elements = self.models = 0
        self.math = MathShape()
        self.root: tuple[str, dict[str, str]] = ("", {})
        self.space = ""  # the namespace of the file's SBML
        self.definition: tuple[str, str] | None = None  # what the formulas around here define
        self.mentions: dict[str, list[str]] = defaultdict(list)
        self.functions: dict[str, list[str]] = defaultdict(list)
        self.nodes: Counter[str] = Counter()

    def refuse(self, what: str) -> None:
        raise ModelError(f"{self.source} has {what}; it is not read.")

    def refuse_math(self, wrong: str) -> None:
        where = f" of <{self.definition[0]} {self.definition[1][:80]!r}>" if self.definition else ""
        raise ModelError(f"{self.source} has a formula{where} that is no formula: {wrong}.")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        self.path.append(local)
        self.elements += 1
        self.count[local] += 1
        self.namespaces.append(sum(key.startswith("xmlns") for key in attributes) if attributes else 0)
        if len(self.path) > MAX_DEPTH:
            self.refuse(f"over {MAX_DEPTH} nested elements")
        if self.elements > MAX_ELEMENTS:
            self.refuse(f"over {MAX_ELEMENTS} elements")
        if local in MAX_OF and self.count[local] > MAX_OF[local]:
            self.refuse(f"over {MAX_OF[local]} elements <{local}>")
        if len(attributes) > MAX_ATTRIBUTES:
            self.refuse(f"over {MAX_ATTRIBUTES} attributes at one element <{local[:40]}>")
        if self.namespaces[-1] and sum(self.namespaces) > MAX_NAMESPACES:
            self.refuse(f"over {MAX_NAMESPACES} XML namespaces at one place")
        for key, value in attributes.items():
            if len(value) > MAX_TOKEN or len(key) > MAX_TOKEN:
                self.refuse(f"an attribute of {max(len(value), len(key))} characters, over {MAX_TOKEN},")
        if len(self.path) == 1:
            self.root, self.space = (name, attributes), attributes.get(_space_of(name), "")
        elif self.namespaces[-1] and "annotation" not in self.path:
            other = [value for key, value in attributes.items() if key.startswith("xmlns") and _CORE.fullmatch(value)]
            if any(value != self.space for value in other):
                self.refuse(f"<{local[:40]}> in the namespace {other[0]!r}, another SBML than its first line says")
        self.models += self.path == ["sbml", "model"]
        if wrong := self.math.start(local, attributes.get("definitionURL", "")):
            self.refuse_math(wrong)
        if local == "cn" and attributes.get("type", "real").strip() not in _NUMBERS:
            self.refuse_math(f"a number of the type {attributes['type'][:40]!r}")
        self._define(local, attributes)

    def check_root(self) -> None:
        name, attributes = self.root
        if name.rpartition(":")[2] != "sbml":
            raise ModelError(f"{self.source} is XML, but not SBML: it begins with <{name[:80]}> and not with <sbml>.")
        level, version = attributes.get("level", ""), attributes.get("version", "")
        if (level, version) not in _SPACES or self.space != f"http://www.sbml.org/sbml/{_SPACES[level, version]}":
            raise ModelError(
                f"{self.source} says SBML level {level[:20]!r} version {version[:20]!r} in the namespace "
                f"{self.space[:80]!r}; there is no such SBML. Try: correct the first line, such as level 3 version 2."
            )

    def _define(self, local: str, attributes: dict[str, str]) -> None:
        if local in _DEFINES:
            self.definition = (local, attributes.get(_DEFINES[local], ""))
        elif self.definition and self.definition[0] == "functionDefinition" and "lambda" in self.path:
            self.nodes[self.definition[1]] += 1
        formula = attributes.get("formula")
        if formula is not None:  # level 1 writes formulas as text
            check_formula(formula, self.source)
            rule = next((attributes[k] for k in ("name", "species", "compartment") if k in attributes), "")
            target = rule if local.endswith("Rule") else self.definition[1] if self.definition else ""
            if attributes.get("type") != "rate":
                self.mentions[target] += re.findall(r"[A-Za-z_]\w*", formula)

    def end(self, name: str) -> None:
        if wrong := self.math.end():
            self.refuse_math(wrong)
        local = self.path.pop()
        self.namespaces.pop()
        if self.definition and local == self.definition[0]:
            self.definition = None

    def text(self, data: str) -> None:
        if not self.path or self.path[-1] not in {"ci", "cn", "csymbol"}:
            return
        if len(data) > MAX_TOKEN:
            self.refuse(f"a name or number of {len(data)} characters, over {MAX_TOKEN},")
        if self.path[-1] == "ci" and self.definition:
            kind, id = self.definition
            group = self.functions if kind == "functionDefinition" else self.mentions
            group[id].append(data.strip())

    def comment(self, data: str) -> None:
        if len(data) > MAX_COMMENT:
            self.refuse(f"a comment of {len(data)} characters, over {MAX_COMMENT},")

    def instruction(self, target: str, data: str) -> None:
        if len(target) + len(data) > MAX_TOKEN:
            self.refuse(f"a processing instruction of over {MAX_TOKEN} characters")

    def doctype(self, *_: Any) -> None:
        raise ModelError(f"{self.source} has a DTD (<!DOCTYPE>); SBML files have none, and it is not read.")

    def check_dependence(self) -> None:
        check_functions(self.functions, self.nodes, self.source)
        check_chains(self.mentions, self.source)


def _space_of(name: str) -> str:
    """The attribute that declares the namespace of an element of this name."""
    prefix = name.rpartition(":")[0]
    return f"xmlns:{prefix}" if prefix else "xmlns"


def check_functions(calls: dict[str, list[str]], nodes: dict[str, int], source: str) -> None:
    """Refuse functions that call themselves, that call too deeply, or that explode when written out.

    Parameters
    ----------
    calls
        Function -> the ids in its body, once for each time.
    nodes
        Function -> the number of parts of its body.
    source
        What messages call the model.
    """
    own = {id: nodes.get(id, 1) for id in {*calls, *nodes}}
    try:
        sizes = written_out_size(own, calls)
    except ModelError as cycle:
        raise ModelError(f"{source} has functions that call themselves: {str(cycle)[:200]}; SBML has none.") from None
    for id, size in sizes.items():
        if size > MAX_WRITTEN_OUT:
            raise ModelError(
                f"{source} has a function {id[:80]!r} of over {MAX_WRITTEN_OUT} parts when the functions it calls are "
                "written out; it is not read."
            )
    if count_pairs(calls, MAX_FUNCTION_PAIRS) > MAX_FUNCTION_PAIRS:
        raise ModelError(
            f"{source} has functions that call others in over {MAX_FUNCTION_PAIRS} ways; libSBML would need too long "
            "to look for cycles. Try: write the functions out."
        )


def check_chains(mentions: dict[str, list[str]], source: str) -> None:
    """Refuse assignments that lean on each other in chains so long that libSBML would search them for hours."""
    if count_pairs(mentions, MAX_PAIRS) > MAX_PAIRS:
        raise ModelError(
            f"{source} has assignments that depend on other assignments in over {MAX_PAIRS} ways; libSBML would need "
            "too long to look for cycles. Try: shorter chains of assignments."
        )
