"""From a published biochemical model to realistic data, forecasters and hybrid models.

The names below are opened when they are first used, so that `import sbml_hybrid` stays quick and
loads no engine.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_PLACES = {
    "load": "mechanism.reader",
    "Model": "mechanism.model",
    "right_hand_side": "mechanism.odes",
    "diff": "mechanism.difference",
    "around": "simulation.priors",
    "sample": "simulation.designs",
    "Design": "simulation.designs",
    "simulate": "simulation.ensemble",
    "estimate": "simulation.estimate",
    "overview": "data.overview",
    "coverage": "data.coverage",
    "steady_state": "simulation.steady",
    "jittered": "simulation.times",
    "irregular": "simulation.times",
    "Deterministic": "simulation.runs",
    "Gillespie": "simulation.gillespie",
    "ProcessNoise": "simulation.process_noise",
    "run_from_dict": "simulation.runs",
    "Condition": "simulation.conditions",
    "Dose": "simulation.conditions",
    "Steps": "simulation.conditions",
    "TimeCourse": "simulation.conditions",
    "condition_from_dict": "simulation.conditions",
    "to_roadrunner": "simulation.solver",
    "measure": "measurement.assay",
    "Plates": "measurement.plates",
    "Scaling": "measurement.effects",
    "Limits": "measurement.limits",
    "check": "data.dataset",
    "split": "data.dataset",
    "own_times": "data.sampling",
    "convert": "data.conversion",
    "save": "data.store",
    "open": "data.store",
    "to_table": "data.tables",
    "from_table": "data.tables",
    "read_csv": "data.tables",
    "write_csv": "data.exports",
    "read_parquet": "data.exports",
    "write_parquet": "data.exports",
    "Persistence": "forecasting.baselines",
    "SeriesMean": "forecasting.baselines",
    "Ridge": "forecasting.regressors",
    "RandomForest": "forecasting.regressors",
    "MLP": "forecasting.networks.mlp",
    "GRU": "forecasting.networks.gru",
    "Residual": "forecasting.mechanistic",
    "Hybrid": "hybrid.forecaster",
    "batches": "forecasting.batches",
    "load_forecaster": "forecasting.forecaster",
    "Simulate": "hybrid.simulate",
    "Graft": "hybrid.grafts",
    "HybridModel": "hybrid.model",
    "Perceptron": "hybrid.networks",
    "HamiltonianField": "hybrid.networks",
    "benchmark": "benchmarking.runner",
    "summary": "benchmarking.statistics",
    "generate": "study",
    "run_study": "study",
}
_FAMILIES = {
    "priors": "simulation.priors",
    "noise": "measurement.noise",
    "gaps": "measurement.gaps",
    "effects": "measurement.effects",
    "constraints": "measurement.constraints",
    "metrics": "benchmarking.metrics",
    "penalties": "hybrid.penalties",
    "plots": "plots",
    "errors": "errors",
}

__all__ = ["__version__", *_PLACES, *_FAMILIES]


def __getattr__(name: str):
    if name in _PLACES:
        value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    elif name in _FAMILIES:
        value = importlib.import_module(f"{__name__}.{_FAMILIES[name]}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
