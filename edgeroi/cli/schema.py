"""``edgeroi schema NAME``: what a script may rely on, as JSON Schema."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from edgeroi.cli.options import OutputOption


def schema(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="ab, ab-plan, profile, compare, check, probe, route, selftest, spend or scenario; the list without it."
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """The JSON Schema of a document: what scripts may rely on, and what editors complete.

    edgeroi schema check

    edgeroi schema scenario --output edgeroi-scenario.schema.json
    """
    from edgeroi.cli.output import write_text

    write_text("".join(f"{known}\n" for known in schema_names()) if name is None else schema_text(name), output)


def schema_names() -> tuple[str, ...]:
    """The documents that have a schema, sorted."""
    folder = resources.files("edgeroi") / "schemas"
    return tuple(sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".json")))


def schema_text(name: str) -> str:
    """The schema of one document, as JSON. Raises ``EdgeroiError`` for a name that has none."""
    from edgeroi.errors import EdgeroiError, did_you_mean

    if name not in schema_names():
        raise EdgeroiError(f"there is no schema {name!r}", fix=did_you_mean(name, schema_names()))
    return (resources.files("edgeroi") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
