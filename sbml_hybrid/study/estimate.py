"""How long a benchmark will take, roughly, from what forecasters cost on two cores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Seconds to get going, seconds for each thousand windows learned from, and how many thousands count: networks look at a
# limited number of batches in each pass.
_COSTS = {
    "Persistence": (0.1, 0.0, 0),
    "SeriesMean": (0.1, 0.0, 0),
    "Ridge": (1.0, 0.3, 1000),
    "RandomForest": (1.0, 2.5, 1000),
    "MLP": (5.0, 1.5, 15),
    "GRU": (6.0, 3.0, 15),
    "Residual": (12.0, 3.0, 15),
    "Hybrid": (60.0, 60.0, 4),
}
_UNKNOWN = (10.0, 2.0, 1000)
REPORT = 8.0


def seconds_to_learn(rivals: Iterable[Any], n_train: int, points: int, lookback: int, horizon: int) -> float:
    """Return a rough number of seconds for learning and forecasting.

    Parameters
    ----------
    rivals
        Forecasters, each as often as it takes part.
    n_train, points
        Series to learn from, and time points of each.
    lookback, horizon
        How many time points they see, and how many they forecast.
    """
    windows = n_train * max(points - lookback - horizon + 1, 1) / 1000
    total = 0.0
    for rival in rivals:
        start, each, most = _COSTS.get(type(rival).__name__, _UNKNOWN)
        total += start + each * min(windows, most)
    return total
