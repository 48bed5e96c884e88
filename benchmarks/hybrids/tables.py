"""Tables of the acceptance experiments, as pages of the documentation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs" / "experiments"


def write(name: str, title: str, text: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write docs/experiments/`name`.md: a title, a text, and a table with the command that made it."""
    command = " ".join(["python", f"benchmarks/hybrids/{name}.py", *sys.argv[1:]])
    lines = [f"# {title}", "", text, "", f"Made by `{command}`.", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    DOCS.mkdir(exist_ok=True)
    (DOCS / f"{name}.md").write_text("\n".join(lines) + "\n")
