"""What a store says of the run that wrote it, and of each of its shards."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sbml_hybrid.data.places import Place, place_of
from sbml_hybrid.errors import DataError

MANIFEST, META = "manifest", "zarr.json"


@dataclass(frozen=True)
class Manifest:
    """What a store says of its run.

    Parameters
    ----------
    place
        Where the store is.
    run
        What was noted before it began: ``trajectories``, ``rows`` a shard, the ``arrays`` that shards write,
        the model's hash, the design with its seed, versions, and checksums of the labels.
    shards
        For each finished shard, by its number: ``start`` and ``rows``, how many trajectories by ``status`` and
        ``rung``, ``failures`` (label, status, reason), ``seconds``, and the ``checksums`` of its chunks.
    """

    place: Place
    run: Mapping[str, Any]
    shards: Mapping[int, Mapping[str, Any]]

    def __len__(self) -> int:
        """How many shards the whole run has."""
        return math.ceil(self.run["trajectories"] / self.run["rows"])

    @property
    def pending(self) -> int:
        """Trajectories still to be computed."""
        return self.run["trajectories"] - sum(shard["rows"] for shard in self.shards.values())

    @property
    def verb(self) -> str:
        """What wrote it: ``"simulate"`` or ``"measure"``."""
        return "measure" if "measurement" in self.run else "simulate"

    @property
    def source(self) -> str:
        """What its rows were computed from, in a word."""
        return "trajectories" if "measurement" in self.run else "draws"

    @property
    def seconds(self) -> float:
        """Wall time of all shards, one after another."""
        return sum(shard["seconds"] for shard in self.shards.values())

    @property
    def status(self) -> Counter[str]:
        """How many finished trajectories there are of each status."""
        return sum((Counter(shard["status"]) for shard in self.shards.values()), Counter())

    @property
    def rung(self) -> Counter[str]:
        """How many finished trajectories were computed by each rung."""
        return sum((Counter(shard["rung"]) for shard in self.shards.values()), Counter())

    @property
    def failures(self) -> Iterator[tuple[int, str, str]]:
        """The label, status and reason of each trajectory that failed."""
        for number in sorted(self.shards):
            yield from map(tuple, self.shards[number]["failures"])

    @property
    def expected(self) -> dict[str, str]:
        """The checksum of every chunk that was written."""
        every = dict(self.run["checksums"])
        for shard in self.shards.values():
            every |= shard["checksums"]
        return every

    def bounds(self, number: int) -> tuple[int, int]:
        """The first row of a shard, and the row behind its last."""
        start = number * self.run["rows"]
        return start, min(start + self.run["rows"], self.run["trajectories"])

    def complaint(self, key: str, missing: bool) -> DataError:
        """Return the error for a chunk that is missing or corrupt."""
        what = f"the chunk {key} {'is missing' if missing else 'is not what was written'}"
        name, _, at = key.partition("/c/")
        if name not in self.run["arrays"]:
            return DataError(f"{self.place}: {what}. Remove the store and {self.verb} again.")
        number = int(at.split("/")[0])
        start, stop = self.bounds(number)
        return DataError(
            f"{self.place}, shard {number} (rows {start} to {stop - 1}): {what}. "
            f"Run the same {self.verb} again: it remakes this shard and no other."
        )


def manifest(path: str | os.PathLike | Place) -> Manifest | None:
    """Return what a store says of its run; None where it was not written by one.

    Parameters
    ----------
    path
        A Zarr folder or its URL.
    """
    place = place_of(path)
    run = attributes_at(place, f"{MANIFEST}/{META}")
    if run is None:
        return None
    shards = {}
    for name in place.names(MANIFEST):
        if re.fullmatch(r"\d{6,}", name):
            entry = attributes_at(place, f"{MANIFEST}/{name}/{META}")
            if entry is not None:
                shards[int(name)] = entry
    return Manifest(place, run, shards)


def attributes_at(place: Place, key: str) -> dict[str, Any] | None:
    """Return the attributes in the metadata at `key`; None where there are none."""
    content = place.read(key)
    try:
        return None if content is None else json.loads(content)["attributes"]
    except (ValueError, KeyError):  # a power cut while it was written
        return None
