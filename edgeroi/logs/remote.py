"""Logs that stand elsewhere: ``s3://``, ``gs://``, ``http://``, ``https://``, through fsspec (the extra ``edgeroi[remote]``).

Keys and tokens come from where the store's own tools find them (environment, profile files), never from an address, and what follows
the ``?`` of an address (a signature) is shown nowhere.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from edgeroi.errors import EdgeroiError, Place

_SCHEMES = ("s3", "gs", "gcs", "http", "https")
#: What is fetched at a time.
_BLOCK_BYTES = 8 << 20


def is_remote(path: str) -> bool:
    """Whether it is an address, and no path of this machine."""
    return path.partition("://")[0] in _SCHEMES and "://" in path


def shown(address: str) -> str:
    """The address as it may be printed: without a signature, and without a user's name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", address).partition("?")[0]


def met(address: str) -> list[tuple[str, int | None]]:
    """The files an address means, with their sizes: one, all below a folder of a bucket, or those that fit a pattern.

    A size is ``None`` where the server cannot give a part of a file, so that it is read once, front to back.
    Raises ``EdgeroiError`` for what is not there or not ours to see.
    """
    if shown(address) != address.partition("?")[0]:
        raise EdgeroiError("a user's name or password in an address", place=Place(shown(address)), fix="give it in the environment")
    scheme = address.partition("://")[0]
    files = _asked(address, lambda system: _files_of(system, address))
    if not files:
        raise EdgeroiError("no file there", place=Place(shown(address)), fix="name a file, a folder or a pattern that has some")
    return [(name if "://" in name else f"{scheme}://{name}", size) for name, size in files]


def _files_of(system: Any, address: str) -> list[tuple[str, int | None]]:
    scheme = address.partition("://")[0]
    if scheme in ("http", "https"):
        told = system.info(address)
        return [(address, told.get("size") if told.get("partial") else None)]
    if any(mark in address for mark in "*?["):
        found = system.glob(address, detail=True).values()
    else:
        found = system.find(address, detail=True).values()
    return sorted((told["name"], told["size"]) for told in found if told["type"] == "file")


def open_remote(address: str, *, seekable: bool) -> BinaryIO:
    """The file, to be read in parts, or once from its start."""
    options: dict[str, Any] = {"block_size": _BLOCK_BYTES if seekable else 0}
    stream: BinaryIO = _asked(address, lambda system: system.open(address, "rb", **options))
    return stream


def _asked(address: str, question: Any) -> Any:
    """What the store answers; whatever it says of itself when it fails is not repeated, for it may hold an address or a key."""
    scheme = address.partition("://")[0]
    place = Place(shown(address))
    try:
        import fsspec

        return question(fsspec.filesystem(scheme))
    except ImportError:
        raise EdgeroiError(f"{scheme}:// needs packages that are not installed", place=place, fix="pip install 'edgeroi[remote]'") from None
    except FileNotFoundError:
        raise EdgeroiError("no such file", place=place) from None
    except PermissionError:
        raise EdgeroiError("may not be read", place=place, fix="give the store's own credentials, in the environment") from None
    except Exception as error:
        raise EdgeroiError(f"cannot be read: {type(error).__name__}", place=place, fix="is the server there?") from None
