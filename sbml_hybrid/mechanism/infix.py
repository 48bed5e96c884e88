"""A look at Antimony and at formulas as text before a parser sees them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from sbml_hybrid.errors import DataError, ModelError
from sbml_hybrid.mechanism.dependence import written_out_size

MAX_SIGNS = 2_000  # operators and brackets of one formula; libSBML's walk over its tree crashes at some 10 000
MAX_TERMS = 5_000  # of one sum
MAX_SIGNS_SQUARED = 20_000_000  # summed over an Antimony text: its SBML has up to 5 bytes for each
MAX_TEXT = 5_000_000  # characters of an Antimony text
MAX_STATEMENTS = 20_000
MAX_REACTIONS = 4_000  # libAntimony takes the square of their number; 10 seconds at the limit
MAX_INSTANCES = 20_000  # statements of an Antimony text when its modules are written out
MAX_NAME = 1_000

_SIGNS = re.compile(r"[-*/^%(),<>=!&|{}\[\]]")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_NAMES = re.compile(r"[A-Za-z_][\w.]*")
_LEAVE_OUT = re.compile(
    r'"""[\s\S]*?(?:"""|\Z)|```[\s\S]*?(?:```|\Z)|"[^"\n]*"?|/\*[\s\S]*?(?:\*/|\Z)|//[^\n]*|\#[^\n]*'
)
_ASSIGNMENT = re.compile(r"^[^'=<>!@]*?([A-Za-z_][\w.]*)\s*:?=(?!=)")
_INSTANCE = re.compile(r"^(?:[A-Za-z_]\w*\s*:)\s*([A-Za-z_]\w*)\s*\(")
_HEAD = re.compile(r"^(?:\*?\s*)?(model|module|function)\s+\*?\s*([A-Za-z_]\w*)")


def check_formula(text: str, source: str, error: type[Exception] = ModelError) -> None:
    """Refuse a formula that a parser, or the walk over its tree, could not take."""
    signs = len(_SIGNS.findall(text))
    if signs > MAX_SIGNS:
        raise error(f"{source} has a formula of {signs} operators and brackets; up to {MAX_SIGNS} are read.")
    if text.count("+") > MAX_TERMS:
        raise error(f"{source} has a sum of over {MAX_TERMS} terms; it is not read. Try: sums of parts.")
    if _NO_TEXT.search(text):
        raise error(f"{source} has a formula with characters that are not text.")


def check_infix(text: str) -> None:
    """Refuse an observable or another formula that somebody typed, where it is too large to parse.

    Raises
    ------
    DataError
        It is.
    """
    check_formula(text, f"{text[:40]!r}...", DataError)


def without_comments(text: str) -> str:
    """Return Antimony text with its comments left out, and its strings empty."""
    return _LEAVE_OUT.sub(lambda found: '""' if found[0][0] in '"`' else " ", text)


def scan_antimony(text: str, source: str) -> None:
    """Refuse Antimony that imports files, or that libAntimony would crash on or not come back from.

    Raises
    ------
    ModelError
        The text is over one of this module's limits; the message names it.
    """
    from sbml_hybrid.mechanism.scan import check_chains, check_functions

    if len(text) > MAX_TEXT:
        raise ModelError(f"{source} has {len(text) / 1e6:.1f} MB of Antimony; up to {MAX_TEXT / 1e6:.0f} MB are read.")
    if _NO_TEXT.search(text):
        raise ModelError(f"{source} has characters that are not text (NUL or half a surrogate); it is not read.")
    bare = without_comments(text)
    if re.search(r'\bimport\s*"', bare):
        raise ModelError(f"{source} imports another file; a model file is read alone. Put its parts into one file.")
    outline = _Outline(source)
    for statement in _statements(bare):
        outline.add(statement)
    check_functions(outline.bodies, outline.nodes, source)
    check_chains(outline.mentions, source)
    outline.check_modules()


def _statements(bare: str) -> Iterator[str]:
    for line in re.split(r"[;\n\r]", bare):
        if statement := line.strip():
            yield statement


class _Outline:
    """What the statements of an Antimony text define and mention, as far as the limits need it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.mentions: dict[str, list[str]] = defaultdict(list)
        self.bodies: dict[str, list[str]] = defaultdict(list)
        self.nodes: Counter[str] = Counter()
        self.statements: Counter[str] = Counter()
        self.instances: dict[str, list[str]] = defaultdict(list)
        self.block = ("model", "__main")
        self.signs_squared = self.all = self.reactions = 0

    def add(self, statement: str) -> None:
        self._bound(statement)
        head = _HEAD.match(statement)
        if head:
            self.block = ("function", head[2]) if head[1] == "function" else ("model", head[2])
            if head[1] == "function":
                _, _, statement = statement.partition(")")
                self.nodes[head[2]] += 1
        if self.block[0] == "function":
            body, ended = re.subn(r"\bend$", "", statement)
            self.nodes[self.block[1]] += len(_SIGNS.findall(body)) + 1
            self.bodies[self.block[1]] += _NAMES.findall(body)
            self.block = ("model", "__main") if ended else self.block
            return
        if statement == "end":
            self.block = ("model", "__main")
        self.statements[self.block[1]] += 1
        if instance := _INSTANCE.match(statement):
            self.instances[self.block[1]].append(instance[1])
        elif assignment := _ASSIGNMENT.match(statement):
            self.mentions[f"{self.block[1]}:{assignment[1]}"] += [
                f"{self.block[1]}:{name}" for name in _NAMES.findall(statement[assignment.end() :])
            ]

    def _bound(self, statement: str) -> None:
        check_formula(statement, self.source)
        self.all += 1
        self.reactions += "->" in statement or "=>" in statement
        self.signs_squared += len(_SIGNS.findall(statement)) ** 2
        longest = max(map(len, _NAMES.findall(statement)), default=0)
        for what, number, limit in (
            ("statements", self.all, MAX_STATEMENTS),
            ("reactions", self.reactions, MAX_REACTIONS),
            ("characters in one name", longest, MAX_NAME),
        ):
            if number > limit:
                raise ModelError(f"{self.source} has over {limit} {what}; more are not read as Antimony.")
        if self.signs_squared > MAX_SIGNS_SQUARED:
            raise ModelError(f"{self.source} has many formulas of hundreds of operators; it is not read as Antimony.")

    def check_modules(self) -> None:
        try:
            sizes = written_out_size(self.statements, self.instances)
        except ModelError as cycle:
            raise ModelError(f"{self.source} has modules that contain themselves: {str(cycle)[:200]}.") from None
        if max(sizes.values(), default=0) > MAX_INSTANCES:
            raise ModelError(
                f"{self.source} has over {MAX_INSTANCES} statements when its modules are written out; it is not read."
            )
