"""The command ``edgeroi``: which commands there are, and how every run ends.

A command's module is imported when the command runs, never for ``--help``. An error of the user's ends with its message
and its status, an uncaught error with 70 and a request to report it; only ``GateFailed`` ends with 1.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from edgeroi import __version__
from edgeroi.cli.exits import Exit, GateFailed, Terminated
from edgeroi.cli.output import leave_stdout, say, stdout_closed
from edgeroi.errors import EdgeroiError, did_you_mean


@dataclass(frozen=True, slots=True)
class Command:
    """One command as ``--help`` lists it; ``cli/NAME.py`` holds a function or a Typer app of the same name, a dash being ``_``."""

    name: str
    panel: str
    help: str


COMMANDS = (
    Command("profile", "Decide", "Request logs -> latency percentiles, tokens, errors, and what a saving would change."),
    Command("compare", "Decide", "Cost, latency and value of every option -> the verdict table."),
    Command("check", "Decide", "The same as a gate: exit 1 when edge spend is unjustified."),
    Command("probe", "Measure", "Measure live endpoints open-loop, edge and cloud interleaved."),
    Command("ab", "Measure", "Edge against cloud as an experiment: effects on latency, quality and cost."),
    Command("ab-plan", "Measure", "How many requests and days an experiment takes."),
    Command("selftest", "Measure", "What the probe itself adds on this machine."),
    Command("route", "Operate", "What a routing or fallback policy would cost and gain; its threshold; its export."),
    Command("spend", "Operate", "Where inference ran and what it cost: edge share, budgets, projection, the bill."),
    Command("demo", "Set up", "A full run with no key and no network: measure, profile, compare, check."),
    Command("init", "Set up", "Draft a scenario from a log."),
    Command("prices", "Set up", "List, show and compare prices."),
    Command("lint", "Set up", "Check scenarios, mappings and price files."),
    Command("formats", "Set up", "The log formats that are read."),
    Command("schema", "Set up", "The JSON Schema of a document."),
    Command("completion", "Set up", "Completion of commands, options and files, for bash, zsh or fish."),
)
_BY_NAME = {command.name: command for command in COMMANDS}


def registered(name: str) -> Any:
    """The function, or the Typer app, of ``cli/NAME.py``, a hyphen an underscore."""
    module = name.replace("-", "_")
    return getattr(import_module(f"edgeroi.cli.{module}"), module)


def loaded(name: str) -> Any:
    """The command of ``cli/NAME.py``, ready to run."""
    found = registered(name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name)(found)
    return typer.main.get_command(single)


class LazyGroup(TyperGroup):
    """A group that knows its commands' names and one line about each, and imports one when it is to run."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the panels."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """What ``--help`` needs to know of a command."""
        command = _BY_NAME.get(cmd_name)
        return None if command is None else TyperCommand(command.name, help=command.help, rich_help_panel=command.panel)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section per panel, with what each command answers."""
        for panel in dict.fromkeys(command.panel for command in COMMANDS):
            with formatter.section(panel):
                formatter.write_dl([(command.name, command.help) for command in COMMANDS if command.panel == panel])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands before the options: they are what is looked for."""
        self.format_commands(ctx, formatter)
        with formatter.section("Options"):
            formatter.write_dl([record for flag in self.get_params(ctx) if (record := flag.get_help_record(ctx))])

    def get_params(self, ctx: Any) -> list[Any]:
        """The flags before the command; typer's own are false unless given, for it loads pydantic to convert a ``None``."""
        params = super().get_params(ctx)
        for flag in params:
            flag.default = flag.default or False
        return params

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is to run, imported. Raises ``EdgeroiError`` for a word that names none."""
        if args and not args[0].startswith("-") and args[0] not in _BY_NAME:
            raise EdgeroiError(f"there is no command {args[0]!r}", fix=did_you_mean(args[0], _BY_NAME))
        name, command, rest = super().resolve_command(ctx, args)
        return name, loaded(command.name) if command and command.name else command, rest


app = typer.Typer(
    name="edgeroi",
    cls=LazyGroup,
    add_completion=False,  # typer's own starts Python at every press of a key; edgeroi completion prints a script that does not
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes would double the time the help takes; a command's own help has them
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit: 0 done, 1 gate failed, 2 usage or input, 3 no answer, 70 a bug, 74 output failed, 130 interrupted, 141 stdout closed.",
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"edgeroi {__version__}\n")
        raise typer.Exit


@app.callback()
def edgeroi(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Is the edge worth it for this workload, what would flip the answer, and does a change spend on the edge without a reason?"""


def run(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its status."""
    _terminate_as_exception()
    _stand_in_for_closed_streams()
    status = _with_flushed_stdout(_status(sys.argv[1:] if args is None else list(args)))
    sys.exit(int(status))


def _status(args: list[str]) -> Exit | int:
    try:
        return _ended(typer.main.get_command(app).main(args, prog_name="edgeroi", standalone_mode=False))
    except GateFailed:
        return Exit.GATE_FAILED
    except EdgeroiError as error:
        return _failed(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted", Exit.INTERRUPTED)
    except Terminated:
        return _failed("terminated", Exit.TERMINATED)
    except SystemExit as left:
        return _left(left)
    except OSError as error:
        return _failed_system_call(error)
    except _USAGE_ERROR as error:
        return _misused(error)
    except Exception as error:
        return _bug(error)


def _ended(answer: object) -> Exit | int:
    """The status of a command that came to its end; typer tells of Ctrl-C by returning 130."""
    return _failed("interrupted", Exit.INTERRUPTED) if answer == Exit.INTERRUPTED else _not_one(answer)


def _not_one(answer: object) -> Exit | int:
    """The status somebody left with; a bare 1 is nobody's to give."""
    if answer is None or answer == 0:
        return Exit.DONE
    return answer if isinstance(answer, int) and answer != Exit.GATE_FAILED else Exit.BUG


#: The mother of typer's usage errors: the same class whether typer carries its own click or imports it.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]


def _misused(error: Any) -> Exit:
    if type(error).__name__ == "NoArgsIsHelpError":  # no command was named: the help is the message, or is printed already
        for line in error.format_message().splitlines():
            say(line)
        return Exit.USAGE
    if error.ctx is not None:
        say(error.ctx.get_usage())
    # Choices are listed a line each, behind a tab: one sentence here, as for every other mistake.
    said = " ".join(error.format_message().replace(": Value error, ", ": ").split())
    return Exit(_failed(said, Exit.USAGE))


def _failed(message: str, status: int) -> int:
    for line in message.split("\n"):  # several mistakes are told at once, a line each
        say(f"error: {line}")
    return status


def _left(left: SystemExit) -> Exit | int:
    """Leave as typer and rich do: they exit with 1 when stdout is closed under them."""
    if isinstance(left.__context__, BrokenPipeError):
        return _closed()
    return _not_one(left.code)


def _failed_system_call(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return _closed()
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        leave_stdout()
        return _failed(f"cannot write: {error.strerror}", Exit.OUTPUT_FAILED)
    return _bug(error)


def _closed() -> Exit:
    leave_stdout()
    stdout_closed.set()
    return Exit.STDOUT_CLOSED


def _bug(error: Exception) -> Exit:
    if os.environ.get("EDGEROI_TRACEBACK"):
        traceback.print_exception(error)
    say(f"error: this is a bug in edgeroi {__version__}: {type(error).__name__}: {error}")
    say("please report it, with the command you ran; EDGEROI_TRACEBACK=1 shows where it happened")
    return Exit.BUG


def _stand_in_for_closed_streams() -> None:
    """Python has no stream at all where the caller closed one (``>&-``)."""
    stdout_closed.clear()
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - it lives as long as the process
        stdout_closed.set()
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def _with_flushed_stdout(status: int) -> int:
    """The status, unless what was printed did not arrive; a command's own failure weighs more than a closed pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _closed()
    except OSError as error:
        leave_stdout()
        return _failed(f"cannot write to stdout: {(error.strerror or str(error)).lower()}", Exit.OUTPUT_FAILED)
    return Exit.STDOUT_CLOSED if stdout_closed.is_set() and status == Exit.DONE else status


def _terminate_as_exception() -> None:
    """SIGTERM unwinds like Ctrl-C, so that temporary files go and what was read is printed; in a worker process it just ends."""
    main_process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        if os.getpid() != main_process:
            os._exit(Exit.TERMINATED)
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
