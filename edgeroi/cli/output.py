"""Where results and messages go: the result to stdout or a file, everything else to stderr.

A file is written whole or not at all. What comes from a log, a file name or an error is made safe before it is printed.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TextIO

from edgeroi.errors import EdgeroiError, OutputFailed

if TYPE_CHECKING:
    from edgeroi.renderers import ColourDepth, Page
    from edgeroi.report import Figure, Report

#: Set once the reader of stdout has gone: nothing more is written there, and the run ends with 141 unless it failed anyway.
stdout_closed = Event()

#: What a failing write is called, where the operating system's words do not help.
_ADVICE: Mapping[int, str] = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed",
    errno.ENOENT: "its folder does not exist",
    errno.EISDIR: "it is a folder",
}


def write_report(report: Report, form: str, output: Path | None = None) -> None:
    """Write the report in the named format to ``output`` or stdout, and its notes to stderr beside anything but JSON."""
    from edgeroi.renderers import Page, renderer

    if form == "html" and output is None and sys.stdout.isatty():
        raise EdgeroiError("a page is for a browser, not for a terminal", key="--format", fix="add --output page.html")
    page = Page() if output else page_of(sys.stdout, os.environ)
    write_text(renderer(form).render(report, page), output)
    if form != "json":
        for note in report.notes:
            say(f"note: {note}")


def write_plot(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as one picture to ``path``, whole or not at all."""
    from edgeroi.renderers._picture import picture

    if not figures:
        raise EdgeroiError("there is nothing to draw: no distribution and no range", key="--plot", fix="leave --plot out")
    write_file(path, picture(figures, path.suffix.lstrip(".").lower()))


def write_text(text: str, output: Path | None = None) -> None:
    """Write a result to ``output``, whole or not at all, or to stdout. Raises ``OutputFailed``."""
    if output is None or str(output) == "-":
        _to_stdout(text)
    else:
        write_file(output, text.encode())


def _to_stdout(text: str) -> None:
    if stdout_closed.is_set():
        return
    try:
        _write_all(sys.stdout, text)
    except BrokenPipeError:
        leave_stdout()
        stdout_closed.set()
    except OSError as error:
        leave_stdout()
        raise OutputFailed(f"cannot write to stdout: {_why(error)}") from error


def _write_all(stream: TextIO, text: str) -> None:
    """Write every byte: an unbuffered stream (``PYTHONUNBUFFERED``) drops what one system call did not take, without a word."""
    stream.flush()
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(text)
    else:
        view = memoryview(text.encode(stream.encoding or "utf-8", "backslashreplace"))
        while view:
            view = view[binary.write(view) :]
    stream.flush()


def leave_stdout() -> None:
    """Point stdout nowhere, so that what is still buffered cannot fail again when the interpreter ends."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _encodable(text: str, stream: TextIO) -> str:
    """The text with what the stream's encoding lacks shown as an escape, so that a C locale prints rather than fails."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def write_file(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step: a reader sees the old file or the new one, never a part.

    A symbolic link is followed and its target replaced; a device or a pipe is written to as it is.
    The permissions are the old file's, or those the umask leaves. Raises ``OutputFailed``.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            _write_through(target, content)
        else:
            _replace(target, content)
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {_why(error)}") from error


def _write_through(device: Path, content: bytes) -> None:
    with device.open("wb", buffering=0) as stream:
        view = memoryview(content)
        while view:
            view = view[stream.write(view) :]


def _replace(target: Path, content: bytes) -> None:
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system lets a folder be synced
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _why(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0) or (error.strerror or str(error)).lower()


def say(message: str) -> None:
    """One line on stderr, made safe."""
    from edgeroi.renderers._plain import safe_text

    with suppress(OSError, ValueError):  # nobody is left to tell
        sys.stderr.write(_encodable(f"{safe_text(message)}\n", sys.stderr))
        sys.stderr.flush()


def page_of(stream: TextIO | None, environ: Mapping[str, str]) -> Page:
    """What a stream can show: width, colour and characters, as ``NO_COLOR``, ``FORCE_COLOR``, ``TERM`` and ``COLUMNS`` say.

    Something that is not a terminal has no width, so that nothing is cut for it.
    """
    from edgeroi.renderers import Page

    is_terminal = stream is not None and stream.isatty()
    return Page(_columns(stream, environ) if is_terminal and stream else None, _colour(is_terminal, environ), _has_unicode(stream))


def _columns(stream: TextIO, environ: Mapping[str, str]) -> int:
    if environ.get("COLUMNS", "").isdigit() and int(environ["COLUMNS"]):
        return int(environ["COLUMNS"])
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _colour(is_terminal: bool, environ: Mapping[str, str]) -> ColourDepth:
    """``NO_COLOR`` (non-empty) wins over ``FORCE_COLOR`` (non-empty, not 0), and that over what the stream is."""
    forced = environ.get("FORCE_COLOR", "") not in ("", "0")
    is_dumb = environ.get("TERM", "") in ("dumb", "unknown")
    if environ.get("NO_COLOR") or not (forced or (is_terminal and not is_dumb)):
        return "none"
    return "256" if "256color" in environ.get("TERM", "") else "standard"


def _has_unicode(stream: TextIO | None) -> bool:
    try:
        "─█".encode((stream and stream.encoding) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


#: Told what is done and what there is in all.
At = Callable[[int, int], None]


@contextmanager
def progress(title: str) -> Iterator[At]:
    """A progress bar on stderr while the block runs and says ``at(done, total)``, where stderr is a terminal that can draw one."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, total: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("{task.description}", markup=False), bars.BarColumn(), bars.DownloadColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=Console(stderr=True, markup=False, emoji=False, highlight=False), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
