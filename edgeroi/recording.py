"""The log a probe writes as it goes: canonical lines between two run records, so that a cut run still holds all that was measured.

A run record is an object with the one key ``edgeroi_run``, a warm-up request one with ``edgeroi_warm_up``, a provoked cold start one with
``edgeroi_cold_start``; ``profile`` skips and counts them: a cold start that was asked for says nothing of how often users meet one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from edgeroi.errors import EdgeroiError, OutputFailed, Place
from edgeroi.exchange import Exchange, row
from edgeroi.request import COLD_RECORD, RUN_RECORD, WARM_UP_RECORD

#: A secret that turns up in what is written is replaced by this.
REDACTED = "[secret]"


class Recording:
    """A log file that is being written. What is written is on its way to the disk at once; secrets never are."""

    def __init__(self, path: Path, run: str, *, append: bool, secrets: frozenset[str] = frozenset()) -> None:
        self.path, self.run, self._secrets = path, run, sorted(secrets, key=len, reverse=True)
        self._file = self._opened(append)

    def _opened(self, append: bool) -> IO[bytes]:
        if self.path.exists() and not append:
            raise EdgeroiError("the log exists already", place=Place(str(self.path)), fix="--append continues it; or name another")
        try:
            opened = self.path.open("ab", buffering=0)
            if opened.tell() and not _ends_a_line(self.path):
                opened.write(b"\n")  # the run before was killed inside a line
        except OSError as error:
            raise OutputFailed(f"cannot write {self.path}: {error.strerror}") from error
        return opened

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def run_record(self, **said: Any) -> None:
        """What the run is, or how it ended."""
        self._write({RUN_RECORD: {"run": self.run, **said}})

    def exchange(self, exchange: Exchange, start: datetime) -> None:
        """One request."""
        told = row(exchange, start, self.run)
        apart = WARM_UP_RECORD if exchange.warm else COLD_RECORD if exchange.cold else None
        self._write({apart: told} if apart else told)

    def _redacted(self, value: Any) -> Any:
        """The value with every secret in its texts replaced; numbers stay what they are, whatever digits a secret has."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, REDACTED)
            return value
        if isinstance(value, Mapping):
            return {self._redacted(key): self._redacted(inner) for key, inner in value.items()}
        return [self._redacted(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _write(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(self._redacted(record), ensure_ascii=False, separators=(",", ":"))
        line = text.encode("utf-8", "backslashreplace") + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise OutputFailed(f"cannot write {self.path}: {os.strerror(error.errno or 0).lower()}") from error


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as written:
        written.seek(-1, os.SEEK_END)
        return written.read(1) == b"\n"
