"""Figures from models, datasets and tables; each function returns its axes, which show themselves in Jupyter."""

from sbml_hybrid.plots.draws import draws
from sbml_hybrid.plots.generation import overview
from sbml_hybrid.plots.missing import gaps
from sbml_hybrid.plots.network import network
from sbml_hybrid.plots.noises import noise
from sbml_hybrid.plots.responses import responses
from sbml_hybrid.plots.scores import by_horizon, by_origin, ranking
from sbml_hybrid.plots.series import band, forecasts, trajectories

__all__ = [
    "band",
    "by_horizon",
    "by_origin",
    "draws",
    "forecasts",
    "gaps",
    "network",
    "noise",
    "overview",
    "ranking",
    "responses",
    "trajectories",
]
