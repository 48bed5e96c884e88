"""A study file: what a study asks for, read from TOML and checked before anything is computed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from sbml_hybrid.errors import SourceNotFound, StudyError, unknown_name


def _whole(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"must be a whole number, {least} or more")
        return value

    return read


def _number(least: float | None = None, most: float | None = None) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number")
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(f"must be {least:g} or more" if most is None else f"must lie in {least:g} to {most:g}")
        return float(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text in quotes")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of names, such as ["A", "B"]')
    return tuple(value)


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of numbers, such as [0, 5, 15, 30]")
    return tuple(_number()(item) for item in value)


def _observables(value: Any) -> tuple[str, ...] | dict[str, str]:
    if isinstance(value, dict) and value and all(isinstance(item, str) for item in value.values()):
        return dict(value)
    if isinstance(value, list) and value:
        return _names(value)
    raise ValueError('must be a list of species, such as ["A"], or formulas by name, such as {total = "A + A_p"}')


def _table(value: Any) -> dict[str, dict]:
    if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
        raise ValueError("must be a table of tables")
    return value


def _setting(read: Callable, default: Any = MISSING) -> Any:
    extra = {"default_factory": dict} if default == {} else {"default": default}
    return field(metadata={"read": read}, **extra)


@dataclass(frozen=True)
class Simulation:
    """``[simulate]``: what varies, how often, and at which times."""

    draws: int = _setting(_whole(2))
    end: float | None = _setting(_number(0), None)
    points: int = _setting(_whole(2), 101)
    times: tuple[float, ...] | None = _setting(_numbers, None)
    fold: float = _setting(_number(1), 1.5)
    of: tuple[str, ...] | None = _setting(_names, None)
    initial: bool = _setting(_flag, False)
    priors: Mapping[str, Mapping] = _setting(_table, {})
    design: str = _setting(_text, "random")
    seed: int = _setting(_whole(0), 0)


@dataclass(frozen=True)
class Measurement:
    """``[measure]``: what an assay reads, with how much noise, and how many points it misses."""

    observables: tuple[str, ...] | Mapping[str, str] | None = _setting(_observables, None)
    noise: str = _setting(_text, "lognormal:0.1")
    keep: float = _setting(_number(0, 1), 1.0)
    schedule: tuple[float, ...] | None = _setting(_numbers, None)
    seed: int = _setting(_whole(0), 1)


@dataclass(frozen=True)
class Split:
    """``[split]``: which share of the draws is held out."""

    test: float = _setting(_number(0, 1), 0.2)
    seed: int = _setting(_whole(0), 2)


@dataclass(frozen=True)
class Benchmark:
    """``[benchmark]``: how much a forecaster sees, how far it forecasts, and who takes part."""

    lookback: int = _setting(_whole(1))
    horizon: int = _setting(_whole(1))
    rivals: Mapping[str, Mapping] = _setting(_table)
    known: tuple[str, ...] = _setting(_names, ())
    seed: int = _setting(_whole(0), 3)


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


_TOP = {"name": _text, "title": _text, "model": _text, "mechanism": _text, "jobs": _whole(1)}
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
    if (simulate.end is None) == (simulate.times is None):
        raise StudyError(f"[simulate] in {reader.path} needs either end (and points) or times.")
    if simulate.end is not None and simulate.end <= 0:
        raise reader.error("simulate", "end", "must be above 0", simulate.end)


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
        for number, text in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", text)
            inside = header[1] if header else inside
            if (header and inside == key) or (inside == section and re.match(rf"\s*[\"']?{re.escape(key)}\b", text)):
                line = f", line {number}"
                break
        return f"[{section}] of {self.path}{line}" if section else f"{self.path}{line}"

    def file(self, key: str, name: str) -> Path:
        found = (self.path.parent / Path(name).expanduser()).resolve()
        if not found.is_file():
            raise SourceNotFound(f"There is no file {found}, which {self.place('', key)} names as its {key}.")
        return found
