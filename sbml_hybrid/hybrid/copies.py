"""Grafts as plain values: copies of their networks are trained, and no live network crosses a process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sbml_hybrid.hybrid.grafts import Graft


def to_plain(grafts: Iterable[Graft]) -> dict[str, list[dict[str, Any]]]:
    """Return grafts as plain values; networks that several grafts share are there once.

    Returns
    -------
    dict
        ``networks``: each as Keras describes it, with its weights (None where it has none yet); ``grafts``: each as its
        fields, with the position of its network.
    """
    from sbml_hybrid.forecasting.engine import keras

    networks, said = described(grafts)
    plain = [
        {
            "config": keras.saving.serialize_keras_object(network),
            "weights": [np.asarray(w) for w in network.get_weights()] if network.built else None,
        }
        for network in networks
    ]
    return {"networks": plain, "grafts": said}


def described(grafts: Iterable[Graft]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return the networks of grafts, each once, and each graft as its fields, with the position of its network.

    A network is itself, whatever its name: names need not differ.
    """
    position: dict[int, int] = {}
    networks, said = [], []
    for graft in grafts:
        if id(graft.network) not in position:
            position[id(graft.network)] = len(networks)
            networks.append(graft.network)
        fields = {f.name: getattr(graft, f.name) for f in dataclasses.fields(graft)}
        said.append({**fields, "network": position[id(graft.network)]})
    return networks, said


def from_plain(plain: Mapping[str, list[dict[str, Any]]], seeds: Iterator[int] | None = None) -> tuple[Graft, ...]:
    """Return grafts with networks of their own.

    Parameters
    ----------
    plain
        What `to_plain` gave.
    seeds
        Where the weights start that the networks do not have yet and have no seed for; None leaves it to Keras.
    """
    from sbml_hybrid.forecasting.engine import keras
    from sbml_hybrid.hybrid.grafts import Graft

    networks = []
    for said in plain["networks"]:
        config = said["config"] if seeds is None else _seeded(said["config"], seeds)
        network = keras.saving.deserialize_keras_object(config)
        if said["weights"] is not None:
            network.set_weights(said["weights"])
        networks.append(network)
    return tuple(Graft(**{**said, "network": networks[said["network"]]}) for said in plain["grafts"])


def seeds_from(seed: int) -> Iterator[int]:
    """Return as many seeds as are asked for, all from one."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4,)))
    while True:
        yield int(stream.integers(2**31))


def _seeded(config: Any, seeds: Iterator[int]) -> Any:
    """The settings of a network, with a seed wherever there is none."""
    if isinstance(config, Mapping):
        return {k: next(seeds) if k == "seed" and v is None else _seeded(v, seeds) for k, v in config.items()}
    return [_seeded(part, seeds) for part in config] if isinstance(config, list | tuple) else config
