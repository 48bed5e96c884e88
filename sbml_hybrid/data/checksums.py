"""Zarr stores that note the checksum of what they write, and verify it in what they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from zarr.storage import WrapperStore


def checksum(content: bytes | memoryview) -> str:
    """Return the CRC-32 of some bytes, in hexadecimal."""
    return f"{crc32(content):08x}"


class Noting(WrapperStore):
    """A store that notes the checksum of every chunk written through it.

    Parameters
    ----------
    store
        Where the bytes go.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.noted: dict[str, str] = {}

    async def set(self, key: str, value: Any) -> None:
        """Write, and note the checksum."""
        await super().set(key, value)
        if "/c/" in key or key.endswith("/c"):
            self.noted[key] = checksum(value.to_bytes())


class Verifying(WrapperStore):
    """A store whose chunks are what was noted when they were written; what was not noted is not there.

    Parameters
    ----------
    store
        Where the bytes are.
    expected
        Chunk -> its checksum.
    complain
        Returns the error for a chunk that is missing or is not what was written.
    """

    def __init__(self, store: Any, expected: Mapping[str, str], complain: Callable[[str, bool], Exception]) -> None:
        super().__init__(store)
        self.expected, self.complain = expected, complain

    def _with_store(self, store: Any) -> Verifying:
        return type(self)(store, self.expected, self.complain)

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Read a chunk and verify it."""
        if "/c/" not in key and not key.endswith("/c"):
            return await super().get(key, prototype, byte_range)
        wanted = self.expected.get(key)
        if wanted is None:
            return None
        found = await super().get(key, prototype, byte_range)
        if found is None or (byte_range is None and checksum(found.to_bytes()) != wanted):
            raise self.complain(key, found is None)
        return found
