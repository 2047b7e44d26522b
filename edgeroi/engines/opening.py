"""A log opened: its own bytes, while those of its file are counted and digested on the way."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from xxhash import xxh3_128

from edgeroi.engines import inputs as cutting


class Seen(io.RawIOBase):
    """A file, digesting in leaves what is read through it; ``told`` hears how many bytes. Sought in, it digests no more."""

    def __init__(self, raw: BinaryIO, told: Callable[[int], None], *, seekable: bool = False) -> None:
        super().__init__()
        self._raw, self._told, self._seekable = raw, told, seekable
        self.bytes, self.jumped = 0, False
        self._leaf, self._in_leaf, self._leaves = xxh3_128(), 0, list[bytes]()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Whether it may be read out of order."""
        return self._seekable

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._raw.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere; what is read from then on is digested by nobody."""
        if not self._seekable:
            raise io.UnsupportedOperation("seek")
        before, after = self._raw.tell(), self._raw.seek(offset, whence)
        self.jumped = self.jumped or after != before
        return after

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer."""
        block = self._raw.read(len(buffer)) or b""
        buffer[: len(block)] = block
        if not self.jumped:
            self._digest(block)
        return len(block)

    def _digest(self, block: bytes) -> None:
        self.bytes += len(block)
        self._told(len(block))
        rest = memoryview(block)
        while rest:
            piece = rest[: cutting.RANGE_BYTES - self._in_leaf]
            self._leaf.update(piece)
            self._in_leaf += len(piece)
            rest = rest[len(piece) :]
            if self._in_leaf == cutting.RANGE_BYTES:
                self._leaves.append(self._leaf.digest())
                self._leaf, self._in_leaf = xxh3_128(), 0

    def leaves(self) -> list[bytes]:
        """The digests of its ranges."""
        return [*self._leaves, self._leaf.digest()] if self._in_leaf else self._leaves

    def drain(self, stopped: Callable[[], bool]) -> None:
        """Digest the file to its end, from its start where it was sought in, unless ``stopped``."""
        if self.jumped:
            self._raw.seek(0)
            again = Seen(self._raw, self._told)
            again.drain(stopped)
            self.bytes, self.jumped = again.bytes, False
            self._leaf, self._in_leaf, self._leaves = again._leaf, again._in_leaf, again._leaves
        while not stopped() and self.read(1 << 20):
            pass
