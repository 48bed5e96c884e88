"""Forecasters: history in, future out, at any times; the naive ones, regressors, networks, and those with equations."""
