"""Every notebook runs from top to bottom, in about a minute, and is committed without outputs."""

import time
from pathlib import Path

import pytest

NOTEBOOKS = sorted(Path(__file__).resolve().parents[1].joinpath("notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_within_a_minute(path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    before = sorted(path.parent.rglob("*"))

    start = time.perf_counter()
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()

    # A minute on a quiet machine with two cores; tests may share theirs.
    assert time.perf_counter() - start < 150
    assert any("image/png" in o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", []))
    assert sorted(path.parent.rglob("*")) == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_sets_its_seeds_first_and_is_committed_without_outputs(path):
    nbformat = pytest.importorskip("nbformat")
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]

    assert "seed" in code[0].source
    assert not any(cell.outputs or cell.execution_count for cell in code)
