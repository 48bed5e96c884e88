"""Noise models: how a readout scatters around its true value, and how likely a measurement is."""

from sbml_hybrid.measurement.noise.along import AdjustingMean, Autocorrelated, Growing
from sbml_hybrid.measurement.noise.combining import OneOf, PerObservable, alone, column, of_observable, resolved
from sbml_hybrid.measurement.noise.counts import NegativeBinomial, Poisson
from sbml_hybrid.measurement.noise.gaussian import Linear, Lognormal, Normal
from sbml_hybrid.measurement.noise.protocol import Noise, mean_of, require_models
from sbml_hybrid.measurement.noise.records import kind_of, noise_from_dict, to_dict
from sbml_hybrid.measurement.noise.sequence import InSequence

__all__ = [
    "Noise",
    "Normal",
    "Lognormal",
    "Linear",
    "Poisson",
    "NegativeBinomial",
    "Growing",
    "AdjustingMean",
    "Autocorrelated",
    "PerObservable",
    "OneOf",
    "InSequence",
    "resolved",
    "of_observable",
    "alone",
    "column",
    "mean_of",
    "require_models",
    "to_dict",
    "noise_from_dict",
    "kind_of",
]
