"""How long a benchmark will take, roughly, from what forecasters cost on two cores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sbml_hybrid.study.file import Benchmark

# Seconds to get going, and seconds for each thousand windows learned from.
_COSTS = {
    "Persistence": (0.1, 0.0),
    "SeriesMean": (0.1, 0.0),
    "Ridge": (0.3, 0.1),
    "RandomForest": (1.0, 1.0),
    "MLP": (8.0, 2.0),
    "GRU": (15.0, 5.0),
    "Residual": (20.0, 6.0),
}
_UNKNOWN = (10.0, 2.0)
_REPORT = 8.0


def seconds_to_benchmark(
    rivals: Mapping[str, Any], with_mechanism: bool, n_train: int, points: int, asked: Benchmark
) -> float:
    """Return a rough number of seconds for learning, forecasting and the report.

    Parameters
    ----------
    rivals
        Forecasters by name.
    with_mechanism
        Whether those that know equations take part twice.
    n_train, points
        Series to learn from, and time points of each.
    asked
        Lookback and horizon.
    """
    windows = n_train * max(points - asked.lookback - asked.horizon + 1, 1) / 1000
    total = _REPORT
    for rival in rivals.values():
        start, each = _COSTS.get(type(rival).__name__, _UNKNOWN)
        times = 2 if with_mechanism and getattr(rival, "model", None) is not None else 1
        total += times * (start + each * windows)
    return total
