"""``edgeroi demo``: a full run with no key and no network, each step as it would be typed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgeroi.demonstration import Step

#: How long a step may take to end by itself once it is interrupted: the terminal's Ctrl-C reaches it too.
_GRACE_SECONDS = 5


def demo(
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Where its files go; a new folder for temporary files unless given.")
    ] = None,
    requests: Annotated[int, typer.Option("--requests", min=20, max=5_000, help="How many requests to each place.")] = 400,
) -> None:
    """A full run in about 20 seconds, with no key and no network: measure an edge and a cloud on this machine, then judge.

    edgeroi demo

    edgeroi demo --keep tryout
    """
    from edgeroi.cli.output import write_text
    from edgeroi.demonstration import MEASURE, NEXT, STEPS, endpoints, write_files
    from edgeroi.logs.format import formats

    with endpoints() as urls:
        folder = _folder(keep)
        write_files(folder, urls, requests)
        write_text(_begun(folder))
        _step(1, MEASURE, folder)
    for number, step in enumerate(STEPS, 2):
        _step(number, step, folder)
    write_text("\nWhat next\n" + NEXT.format(folder=shlex.quote(str(folder)), formats=len(formats())))


def _folder(keep: Path | None) -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="edgeroi-demo-")) if keep is None else keep


def _begun(folder: Path) -> str:
    from edgeroi.demonstration import PLACES, PROBES_FILE, SCENARIO_FILE

    told = [f"  {name}: {p.network_ms:g} ms there and back, about {p.service_ms:g} ms to answer" for name, p in PLACES.items()]
    lines = (
        "Two servers for embeddings now run on this machine, and keep the time of two places:",
        *told,
        f"The rest is measured. {PROBES_FILE} and {SCENARIO_FILE} are in {folder}; type along:",
        f"\n$ cd {shlex.quote(str(folder))}",
    )
    return "\n".join(lines) + "\n"


def _step(number: int, step: Step, folder: Path) -> None:
    """Say what comes and why, run it as typed, and tell how it ended. Raises ``EdgeroiError`` for an end that no demo has."""
    from edgeroi.cli.output import say, write_text
    from edgeroi.errors import EdgeroiError

    title = f"{number}. {step.title}"
    write_text("\n".join(("", title, "-" * len(title), *step.why, "", f"$ edgeroi {shlex.join(step.command)}", "")))
    status = _run(step.command, folder)
    if status not in step.may_end:
        raise EdgeroiError(f"the step ended with {status}", fix=f"its message is above; its files are in {folder}")
    if status:
        write_text(f"(exit {status})\n")
    if status == 3:  # of the probe, and of a check that rests on it
        say("note: this machine was too busy for the run to be trusted; with less load the demo's numbers are steadier")


def _run(command: Sequence[str], folder: Path) -> int:
    """Run ``edgeroi COMMAND`` in the folder, on this terminal; interrupted, it is left time to say what it has."""
    with subprocess.Popen([sys.executable, "-m", "edgeroi", *command], cwd=folder) as child:
        try:
            return child.wait()
        except BaseException:
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                child.wait(_GRACE_SECONDS)
            child.kill()
            raise
