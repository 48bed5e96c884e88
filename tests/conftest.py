"""What every room's tests share: thread caps, the folder of real data, Hypothesis' profiles."""

import os

# Before any engine is opened: they read these once.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(_name, "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("default", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository's root, where models/, studies/ and docs/ are."""
    return ROOT


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of published models and measurements; skip where it is missing."""
    folder = Path(os.environ.get("SBML_HYBRID_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the folder of real data, and {folder} is missing (set SBML_HYBRID_TEST_DATA)")
    return folder
