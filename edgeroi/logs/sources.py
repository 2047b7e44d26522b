"""Which files were meant: paths, folders, globs and ``-``, each file once."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgeroi.errors import EdgeroiError, Place, near_miss
from edgeroi.logs.remote import is_remote, met, open_remote, shown

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read. ``named``: the user pointed at it, so it must be a log; else it was met in a folder.

    ``hidden``: a file or folder met in a folder whose name begins with a dot; it is told and not read.
    ``address``: where it stands elsewhere, with what may not be shown; ``path`` may.
    """

    path: str
    named: bool
    bytes: int | None = None
    hidden: bool = False
    address: str | None = None

    @property
    def is_stdin(self) -> bool:
        """Whether it is the standard input."""
        return self.path == STDIN


def opened_file(source: Source) -> BinaryIO:
    """The bytes of a file, wherever it stands."""
    if source.address is not None:
        return open_remote(source.address, seekable=source.bytes is not None)
    return Path(source.path).open("rb", buffering=0)


def expand(paths: Sequence[str | Path], besides: Path | None = None) -> tuple[Source, ...]:
    """Every file meant, in the order given, folders and globs sorted; raises ``EdgeroiError`` for none and for one reached twice.

    ``besides``: a file that is left out where it is met in a folder.

    A path that exists is taken as it is; only then is it tried as a glob.
    """
    found: list[Source] = []
    reached: dict[object, str] = {}
    for path in map(str, paths):
        for source in _meant(path):
            if source.hidden:
                found.append(source)
                continue
            identity = _identity(source)
            if besides is not None and not source.named and identity == _identity(Source(str(besides), named=True)):
                continue
            if identity in reached:
                raise EdgeroiError(
                    f"{source.path!r} was already reached as {reached[identity]!r}; its lines would count twice", fix="name it once"
                )
            reached[identity] = source.path
            found.append(source)
    return tuple(found)


def _identity(source: Source) -> object:
    if source.is_stdin:
        return STDIN
    if source.address is not None:
        return source.address
    told = Path(source.path).stat()
    return (told.st_dev, told.st_ino)


def _meant(path: str) -> Iterator[Source]:
    if path == STDIN:
        yield Source(STDIN, named=True)
    elif is_remote(path):
        yield from (Source(shown(address), True, size, address=address) for address, size in met(path))
    elif Path(path).exists():
        yield from _existing(path)
    else:
        matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207  # absolute patterns too
        if not matches:
            raise _missing(path)
        for match in matches:
            yield from _existing(match)


def _existing(path: str) -> Iterator[Source]:
    if not Path(path).is_dir():
        yield _file(path, named=True)
        return
    for folder, folders, files in os.walk(path):
        hidden = sorted(name for name in (*folders, *files) if name.startswith("."))
        yield from (Source(_member(folder, name), named=False, hidden=True) for name in hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        for name in sorted(set(files) - set(hidden)):
            if Path(_member(folder, name)).is_file():
                yield _file(_member(folder, name), named=False)


def _member(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118  # the user's own spelling of the folder is kept


def _file(path: str, named: bool) -> Source:
    told = Path(path).stat()
    return Source(path, named, told.st_size if stat.S_ISREG(told.st_mode) else None)


def _missing(path: str) -> EdgeroiError:
    if glob.has_magic(path):
        return EdgeroiError("no file matches", place=Place(path), fix="put the pattern in quotes if the shell should not expand it")
    folder = Path(path).parent
    near = near_miss(Path(path).name, [entry.name for entry in folder.iterdir()]) if folder.is_dir() else None
    return EdgeroiError("no such file or folder", place=Place(path), fix=f"did you mean {str(folder / near)!r}?" if near else None)
