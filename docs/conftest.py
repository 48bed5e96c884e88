"""Run the examples of these pages: Python as it stands, and the sbml-hybrid lines of console blocks."""

import os
import shlex
import tempfile
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path

from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).resolve().parents[1]

SLOW = {"hybrids.md"}
collect_ignore_glob = ["conf.py", "gallery*.py"]


def run_console(example):
    """Run each `$ sbml-hybrid ...` line; the output shown on the page is not compared."""
    from sbml_hybrid.cli import main

    for line in example.parsed.replace("\\\n", " ").splitlines():
        if line.startswith("$ sbml-hybrid "):
            status = main(shlex.split(line)[2:])
            if status:
                return f"{line}\nended with {status}"
    return None


def enter(namespace):
    """Give every page its own empty folder with the repository's models and studies beside it."""
    namespace["_before"] = os.getcwd()
    namespace["_folder"] = tempfile.TemporaryDirectory()
    for name in ("models", "studies"):
        os.symlink(ROOT / name, Path(namespace["_folder"].name) / name)
    os.chdir(namespace["_folder"].name)


def leave(namespace):
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


def pytest_collection_modifyitems(items):
    """Leave pages that train hybrids to the slow tests: a compiler works there for a minute."""
    for item in items:
        if Path(str(item.path)).name in SLOW:
            item.add_marker("slow")


pytest_collect_file = Sybil(
    parsers=[
        SkipParser(),
        PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE),
        CodeBlockParser(language="console", evaluator=run_console),
    ],
    pattern="*.md",
    setup=enter,
    teardown=leave,
).pytest()
