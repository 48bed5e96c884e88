"""The SBML Test Suite, through `simulate` with its defaults: right within the suite's tolerances, or refused rightly.

A tenth runs by default, stratified by tag; ``pytest -m suite`` runs all 1280 cases and compares the table in
docs/sbml_support.md with them (``SBML_HYBRID_WRITE_TABLES=1`` writes it anew).
"""

import csv
import io
import os
import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import ModelError
from sbml_hybrid.quiet import quiet

FOLDER = Path(os.environ.get("SBML_HYBRID_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
ARCHIVE = FOLDER / "sbml_test_suite.zip"
TABLE = Path(__file__).parents[2] / "docs" / "sbml_support.md"
REASONS = {  # what libroadrunner says of a model -> our word for the obstacle
    "Unable to support algebraic rules": "algebraic rule",
    "Unable to support 'fast' reactions": "fast reaction",
    "Unable to support delay differential equations": "delay",
}


@dataclass(frozen=True)
class Case:
    """One case: its files, its tags and what is expected at which times."""

    number: str
    file: str
    tags: tuple[str, ...]
    flux_balance: bool


def _listed(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def _cases():
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = archive.namelist()
        files = {}
        for name in sorted(names):
            if found := re.fullmatch(r"(?:.*/)?(\d{5})/\1-sbml-l\dv\d\.xml", name):
                files[found[1]] = name  # the highest level and version is the last
        for number, file in files.items():
            text = archive.read(f"{file.rsplit('-sbml-', 1)[0]}-model.m").decode()
            said = {key: value.strip() for key, value in re.findall(r"^(\w+):[ \t]*(.*)$", text, re.MULTILINE)}
            tags = [
                t.strip() for t in f"{said.get('componentTags', '')},{said.get('testTags', '')}".split(",") if t.strip()
            ]
            yield Case(number, file, tuple(sorted(set(tags))), said["testType"] != "TimeCourse")


CASES = list(_cases()) if ARCHIVE.is_file() else []


def _tenth():
    """Every tag of the suite at least once, and then every twelfth case: 130 of them or so."""
    seen, chosen = set(), []
    for number, case in enumerate(CASES):
        if number % 12 == 0 or not seen.issuperset(case.tags):
            chosen.append(case)
            seen.update(case.tags)
    return chosen


@pytest.fixture(scope="module")
def unpacked(test_data, tmp_path_factory):
    """The suite as a folder: some models take others from the files beside them."""
    folder = tmp_path_factory.mktemp("suite")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


def _settings(path):
    lines = path.read_text().splitlines()
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in said.items()}


def _expected(path):
    rows = [row for row in csv.reader(io.StringIO(path.read_text())) if row]
    return [name.strip() for name in rows[0][1:]], np.array(rows[1:], dtype=float)


def _wrong(case, folder):
    """What is wrong with a time course, in words; nothing when it is right."""
    path = folder / case.file
    stem = str(path).rsplit("-sbml-", 1)[0]
    settings, (names, rows) = _settings(Path(f"{stem}-settings.txt")), _expected(Path(f"{stem}-results.csv"))
    model = sh.load(path)
    species = {s.id for s in model.species}
    amounts, concentrations = _listed(settings["amount"]), _listed(settings["concentration"])
    quantities = [
        f"amount({n})" if n in amounts and n in species else f"[{n}]" if n in concentrations and n in species else n
        for n in names
    ]

    found = sh.simulate(model, None, times=rows[:, 0], quantities=quantities)["truth"].values[0]

    wanted, (absolute, relative) = rows[:, 1:], (float(settings[k]) for k in ("absolute", "relative"))
    with np.errstate(invalid="ignore"):
        close = np.abs(found - wanted) <= absolute + relative * np.abs(wanted)
    right = close | (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    if right.all():
        return ""
    time, column = np.argwhere(~right)[0]
    return f"{names[column]} at {rows[time, 0]:g} is {found[time, column]:g}, not {wanted[time, column]:g}"


def _said_by_libroadrunner(path):
    """The reason for which libroadrunner refuses the file, in our word; nothing when it loads."""
    from sbml_hybrid.simulation.engine import roadrunner

    # By the first constructor: the second would take an id such as "reset" for the whole class, and a method away.
    engine = roadrunner.RoadRunner.__new__(roadrunner.RoadRunner)
    with quiet():
        try:
            engine._swig_init(str(path))
        except RuntimeError as error:
            return next((ours for theirs, ours in REASONS.items() if theirs in str(error)), str(error))
    return ""


def _outcome(case, folder):
    """("right" | "refused: ..." | "WRONG: ..."), against the suite's results and libroadrunner's own refusals."""
    model = sh.load(folder / case.file)
    assert str(model.describe())
    kinds = {obstacle.kind for obstacle in model.obstacles}
    theirs = _said_by_libroadrunner(folder / case.file)
    if not kinds and not theirs:
        wrong = _wrong(case, folder)
        return f"WRONG: {wrong}" if wrong else "right"
    with pytest.raises(ModelError) as refused:
        sh.simulate(model, None, times=[0.0, 1.0], quantities=[model.species[0].id] if model.species else None)
    if case.flux_balance:
        return "refused: flux balance" if "SBML package fbc" in str(refused.value) else f"WRONG: {refused.value}"
    return f"refused: {theirs}" if theirs in kinds else f"WRONG: we say {kinds}, libroadrunner {theirs!r}"


@pytest.mark.parametrize("case", _tenth(), ids=lambda case: case.number)
def test_a_case_is_right_or_refused_for_the_right_reason(case, unpacked, capfd):
    assert not _outcome(case, unpacked).startswith("WRONG")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_all_1280_cases_are_right_or_refused_for_the_right_reason(unpacked, capfd):
    outcomes = {case: _outcome(case, unpacked) for case in CASES}

    counts = Counter(outcomes.values())
    assert not {case.number: said for case, said in outcomes.items() if said.startswith("WRONG")}
    assert capfd.readouterr() == ("", "")
    assert len(CASES) == 1280
    assert counts["right"] == 1110
    assert counts["refused: flux balance"] == 24
    assert sum(counts.values()) - counts["right"] - counts["refused: flux balance"] == 146
    _compare_with_the_docs(outcomes, counts)


def _compare_with_the_docs(outcomes, counts):
    begin, end = "<!-- table by tag: written by the tests -->", "<!-- end of the table -->"
    text = TABLE.read_text()
    before, rest = text.split(begin)
    table = "\n".join([begin, *_summary(counts), "", *_by_tag(outcomes), end])
    after = rest.split(end)[1]
    if os.environ.get("SBML_HYBRID_WRITE_TABLES"):
        TABLE.write_text(before + table + after)
    assert TABLE.read_text() == before + table + after, "run with SBML_HYBRID_WRITE_TABLES=1 to write the table anew"


def _summary(counts):
    yield "| outcome | cases |"
    yield "|---|---|"
    for outcome, count in sorted(counts.items(), key=lambda item: -item[1]):
        yield f"| {outcome} | {count} |"


def _by_tag(outcomes):
    yield "| tag of the suite | cases | right | refused |"
    yield "|---|---|---|---|"
    for tag in sorted({tag for case in outcomes for tag in case.tags}, key=str.lower):
        of_tag = [said for case, said in outcomes.items() if tag in case.tags]
        refused = Counter(said.removeprefix("refused: ") for said in of_tag if said.startswith("refused"))
        why = ", ".join(f"{n} {reason}" for reason, n in refused.most_common())
        yield f"| {tag} | {len(of_tag)} | {of_tag.count('right')} | {why} |"
