"""A study file: what a study asks for, read from TOML and checked before anything is computed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from sbml_hybrid.errors import SourceNotFound, StudyError, unknown_name
from sbml_hybrid.study.sections import Benchmark, Measurement, Simulation, Split, text, whole


@dataclass(frozen=True)
class Study:
    """A study file, read and checked; `folder` is where its relative paths start."""

    path: Path
    text: str
    name: str
    title: str
    model: Path
    mechanism: Path | None
    jobs: int
    simulate: Simulation
    measure: Measurement
    split: Split
    benchmark: Benchmark | None


_TOP = {"name": text, "title": text, "model": text, "mechanism": text, "jobs": whole(1)}
_SECTIONS = {"simulate": Simulation, "measure": Measurement, "split": Split}


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Parameters
    ----------
    path
        A TOML file. Paths inside it are relative to it.

    Raises
    ------
    SourceNotFound
        If there is no such file, or none at a path that it names.
    StudyError, UnknownName
        If it is no TOML, lacks something, or asks for a setting that there is not; with the line.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        hint = f" Studies in {path.parent}: {', '.join(there[:12])}." if there else ""
        raise SourceNotFound(f"There is no study file at {path}.{hint}")
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} is not valid TOML: {error}.") from error
    reader = _Reader(path, text)
    reader.check_names(content, [*_TOP, *_SECTIONS, "benchmark"], "")
    top = {key: reader.value(read, content[key], "", key) for key, read in _TOP.items() if key in content}
    if "model" not in top:
        raise StudyError(f'{path} names no model. Add a line such as: model = "../models/repressilator.ant".')
    sections = {name: reader.section(kind, content.get(name, {}), name) for name, kind in _SECTIONS.items()}
    sections["benchmark"] = (
        reader.section(Benchmark, content["benchmark"], "benchmark") if "benchmark" in content else None
    )
    _check_times(sections["simulate"], reader)
    name = top.get("name", path.stem)
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise reader.error("", "name", "may hold letters, digits, '-', '_' and '.' only: it names a folder", name)
    return Study(
        path=path,
        text=text,
        name=name,
        title=top.get("title", name),
        model=reader.file("model", top["model"]),
        mechanism=reader.file("mechanism", top["mechanism"]) if "mechanism" in top else None,
        jobs=top.get("jobs", 1),
        **sections,
    )


def _check_times(simulate: Simulation, reader: _Reader) -> None:
    if simulate.steady_state:
        return
    if (simulate.end is None) == (simulate.times is None):
        raise StudyError(f"[simulate] in {reader.path} needs either end (and points) or times.")
    if simulate.end is not None and simulate.end <= 0:
        raise reader.error("simulate", "end", "must be above 0", simulate.end)
    if simulate.irregular and (simulate.times is not None or simulate.jitter):
        raise StudyError(f"irregular times in {reader.path} need end and points, and neither times nor jitter.")
    if isinstance(simulate.points, tuple) and not simulate.irregular:
        raise reader.error("simulate", "points", "may be [fewest, most] with irregular = true only", simulate.points)
    if simulate.jitter and isinstance(simulate.times, tuple) and isinstance(simulate.times[0], tuple):
        raise StudyError(f"times of each trajectory's own in {reader.path} need no jitter. Take one of them away.")
    if simulate.before is not None:
        raise StudyError(
            f"before in [simulate] of {reader.path} needs steady_state = true. Try: before of a condition."
        )


@dataclass(frozen=True)
class _Reader:
    path: Path
    text: str

    def section(self, kind: type, table: Any, name: str) -> Any:
        if not isinstance(table, dict):
            raise StudyError(f"{name!r} in {self.path} must be a section: [{name}].")
        self.check_names(table, [f.name for f in fields(kind)], name)
        values = {}
        for one in fields(kind):
            if one.name in table:
                values[one.name] = self.value(one.metadata["read"], table[one.name], name, one.name)
            elif one.default is MISSING and one.default_factory is MISSING:
                raise StudyError(f"[{name}] in {self.path} lacks {one.name!r}.")
        return kind(**values)

    def check_names(self, table: dict, known: list[str], section: str) -> None:
        for key in table:
            if key not in known:
                raise unknown_name("setting", key, known, self.place(section, key))

    def value(self, read: Callable, value: Any, section: str, key: str) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise self.error(section, key, str(error), value) from error

    def error(self, section: str, key: str, problem: str, value: Any) -> StudyError:
        return StudyError(f"{key} {problem}, got {value!r} ({self.place(section, key)}).")

    def place(self, section: str, key: str) -> str:
        """``[measure] of demo.toml, line 12``: the line where `key` is set, if it can be found."""
        inside, line = "", ""
        for number, row in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", row)
            inside = header[1] if header else inside
            if (header and inside == key) or (inside == section and re.match(rf"\s*[\"']?{re.escape(key)}\b", row)):
                line = f", line {number}"
                break
        return f"[{section}] of {self.path}{line}" if section else f"{self.path}{line}"

    def file(self, key: str, name: str) -> Path:
        found = (self.path.parent / Path(name).expanduser()).resolve()
        if not found.is_file():
            raise SourceNotFound(f"There is no file {found}, which {self.place('', key)} names as its {key}.")
        return found
