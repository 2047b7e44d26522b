"""The bytes of a log: plain, gz or zst as its first bytes say, whatever its name; checksums are verified.

A stream that is cut or corrupt gives everything before the fault, then ends, and ``damage`` says what is wrong.
"""

from __future__ import annotations

import io
import sys
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol

Compression = Literal["gz", "zst"]

_GZ = b"\x1f\x8b"
_ZST = b"\x28\xb5\x2f\xfd"
#: The last three bytes of the mark of a frame that holds no data.
_ZST_SKIPPABLE = b"\x2a\x4d\x18"
_BLOCK = 1 << 17
#: A compressed file may swell to 1 GiB whatever its size, and beyond that 2,000 times.
_SWELL_BYTES, _SWELL_RATIO = 1 << 30, 2000


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a stream ended early: a reason of the closed list, and what was found."""

    reason: Literal["stream_truncated", "stream_corrupt"]
    detail: str

    def __str__(self) -> str:
        """As a report says it."""
        return f"{self.reason}: {self.detail}"


class _Members(Protocol):
    """Decompresses one member (gz) or frame (zst) after another."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def compression_of(first: bytes) -> Compression | None:
    """How the bytes are compressed, by their first four."""
    if first.startswith(_GZ):
        return "gz"
    return "zst" if first.startswith(_ZST) else None


def plain_name(name: str) -> str:
    """The name without .gz or .zst."""
    return name.removesuffix(".gz").removesuffix(".zst")


class Decompressed(io.RawIOBase):
    """A readable, unseekable stream of what is inside a gz or zst stream, several members or frames one after the other."""

    def __init__(self, raw: BinaryIO, compression: Compression) -> None:
        super().__init__()
        self._raw, self._compression = raw, compression
        self._member: _Members | None = None
        self._waiting = b""
        self._read, self._given = 0, 0
        self.damage: Damage | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; 0 at the end, sound or not."""
        if self.damage is not None:
            return 0
        try:
            data = self._next(len(buffer))
        except (zlib.error, _zstd_error()) as error:
            data = self._fault("stream_corrupt", str(error))
        buffer[: len(data)] = data
        self._given += len(data)
        return len(data)

    def _next(self, most: int) -> bytes:
        """The next bytes; none at the end."""
        while True:
            if self._member is None:
                if not self._begins():
                    return b""
                self._member = _member(self._compression)
            data = self._decompress(self._member, most)
            if data or self.damage is not None:
                return self._fault("stream_corrupt", "swells more than 2,000 times") if self._swells() else data
            if self._member.eof:
                self._waiting = self._member.unused_data
                self._member = None
            elif not self._fill():
                return self._fault("stream_truncated", f"the {self._compression} stream is cut after {self._read:,} bytes")

    def _decompress(self, member: _Members, most: int) -> bytes:
        data, self._waiting = self._waiting, b""
        if self._compression == "zst":
            return member.decompress(data, most) if not member.eof else b""
        inflated = self._inflate(member, data, most)
        self._waiting = getattr(member, "unconsumed_tail", b"")
        return inflated

    def _inflate(self, member: Any, data: bytes, most: int) -> bytes:
        """A failing call of zlib drops what it had already inflated; going again byte by byte keeps that."""
        before = member.copy()
        try:
            return member.decompress(data, most)  # type: ignore[no-any-return]
        except zlib.error as error:
            kept = _inflated_before_fault(before, data)
            self._fault("stream_corrupt", str(error))
            return kept

    def _begins(self) -> bool:
        """Whether another member begins: zero padding is skipped, anything else is damage."""
        magic = _GZ if self._compression == "gz" else _ZST
        while len(self._waiting) < len(magic) or not self._waiting.strip(b"\0"):
            self._waiting = self._waiting.lstrip(b"\0")
            if not self._fill():
                break
        self._waiting = self._waiting.lstrip(b"\0")
        if not self._waiting:
            return False
        skippable = self._compression == "zst" and self._waiting[1:4] == _ZST_SKIPPABLE
        if not (self._waiting.startswith(magic) or skippable):
            self._fault("stream_corrupt", f"{self._compression} data ends and something else follows")
            return False
        return True

    def _fill(self) -> bool:
        block = self._raw.read(_BLOCK)
        self._read += len(block)
        self._waiting += block
        return bool(block)

    def _swells(self) -> bool:
        return self._given > _SWELL_BYTES and self._given > _SWELL_RATIO * self._read

    def _fault(self, reason: Literal["stream_truncated", "stream_corrupt"], detail: str) -> bytes:
        self.damage = Damage(reason, detail)
        return b""


def _inflated_before_fault(member: Any, data: bytes) -> bytes:
    kept = bytearray()
    try:
        while byte := member.decompress(data, 1):
            kept += byte
            data = member.unconsumed_tail
    except zlib.error:
        pass
    return bytes(kept)


def _member(compression: Compression) -> _Members:
    if compression == "gz":
        return zlib.decompressobj(wbits=31)
    return _zstd().ZstdDecompressor()  # type: ignore[no-any-return]


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _zstd_error() -> type[Exception]:
    """The error of the zstd package, without loading it for a gz file."""
    module = sys.modules.get("compression.zstd") or sys.modules.get("backports.zstd")
    return module.ZstdError if module else zlib.error


def opened(raw: BinaryIO, first: bytes) -> BinaryIO:
    """The stream of a log's own bytes; ``raw`` stands at its start, ``first`` are its first bytes."""
    compression = compression_of(first)
    if compression is None:
        return raw
    return io.BufferedReader(Decompressed(raw, compression), _BLOCK)


def damage_of(stream: BinaryIO) -> Damage | None:
    """What is wrong with a stream that was read to its end."""
    return getattr(getattr(stream, "raw", None), "damage", None)


class Prefixed(io.RawIOBase):
    """A stream that cannot seek, with bytes put back before it."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._first, self._rest = first, rest

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, from what was put back first."""
        data = self._first[: len(buffer)] or self._rest.read(len(buffer))
        self._first = self._first[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
