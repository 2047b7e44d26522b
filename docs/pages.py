"""The pages that are made from the code: the man page, the command line, the scenario grammar, the Python API, the log formats.

``docs/refresh.py`` writes them; a test compares each with what the code says today, so none can drift.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import edgeroi
from edgeroi.cli import man
from edgeroi.cli.schema import schema_text
from edgeroi.cli.tree import Branch, help_of, whole

#: What stands above the table of formats.
FORMATS_HEADING = """# Log formats

Written by `docs/refresh.py` from the formats themselves; `edgeroi formats NAME` shows where each column comes from.
The format of a file is found by its content, and exactly one must claim it; `--log-format NAME` says it instead.
What no log says, rules do: [mapping](mapping.md).

"""


def formats_page() -> str:
    """The table of all formats: what each is counted in, where latency is and in which unit, what it tells and what it cannot."""
    told = subprocess.run([sys.executable, "-m", "edgeroi", "formats", "--format", "markdown"], capture_output=True, text=True, check=True)
    table = [line for line in told.stdout.splitlines() if line.startswith("|")]
    return FORMATS_HEADING + "\n".join(table) + "\n"


def man_page() -> str:
    """``man edgeroi``."""
    return man.page(whole(), edgeroi.__version__)


# --- the command line --------------------------------------------------------------------------------------------------------

CLI_HEADING = """# Commands

Written by `docs/refresh.py`: what `edgeroi COMMAND --help` prints, for every command.
[Exit codes](exit-codes.md) · `man edgeroi` holds the same · `edgeroi completion bash|zsh|fish` completes all of it.

"""


def cli_page() -> str:
    """The help of every command, as it is printed."""
    return CLI_HEADING + "\n".join(_section(branch) for branch in _every(whole()))


def _every(branch: Branch) -> Iterator[Branch]:
    yield branch
    for command in branch.commands:
        yield from _every(command)


def _section(branch: Branch) -> str:
    return f"## {branch.name}\n\n```text\n{help_of(branch.path)}```\n"


# --- the scenario grammar ----------------------------------------------------------------------------------------------------

GRAMMAR_HEADING = """# Scenario grammar

Written by `docs/refresh.py` from the schema that `edgeroi schema scenario` prints. What a schema cannot say (that names
refer to something, that units fit, that no policy leads back to itself) `edgeroi lint` checks.
A quantity carries its unit: `150 ms`, `0.20 USD/Mtok`, `10M /month`. A range is `likely (low..high)`, or `low to high` for a 90 % interval.
Where a mapping can be written in several ways, a key marked as needed is needed in its way. `edgeroi init LOG` drafts a scenario,
and `scenarios/` holds one for every verdict. An editor that speaks YAML completes all of this where the first line names the schema.

"""


def grammar_page() -> str:
    """Every key, by the part of the file it stands in: what it takes, an example, what it means."""
    schema = json.loads(schema_text("scenario"))
    parts = [_part("The file", [schema], schema)]
    for name, definition in schema["$defs"].items():
        tables = [each for each in _alternatives(definition) if each.get("properties")]
        parts += [_part(f"`{name}`", tables, schema)] if tables else []
    plain = {name: each for name, each in schema["$defs"].items() if "properties" not in each and not _holds_table(each)}
    rows = [f"| `{name}` | {_takes(each)} | {_example(each)} | {_cell(each.get('description', ''))} |" for name, each in plain.items()]
    kinds = "\n".join(("## Kinds of value", "", "| kind | takes | example | meaning |", "| --- | --- | --- | --- |", *rows))
    return GRAMMAR_HEADING + "\n\n".join((*parts, kinds)) + "\n"


def _alternatives(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [definition, *definition.get("oneOf", ()), *definition.get("anyOf", ())]


def _holds_table(definition: Mapping[str, Any]) -> bool:
    return any(each.get("properties") for each in _alternatives(definition))


def _part(title: str, tables: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> str:
    """One mapping of the grammar; of several ways to write it, the keys of all."""
    rows = dict.fromkeys(row for table in tables for row in _rows(table, schema, ""))
    said = next((table["description"] for table in tables if "description" in table), None)
    head = (f"## {title}", "", *([said, ""] if said else []), "| key | takes | example | meaning |", "| --- | --- | --- | --- |")
    return "\n".join((*head, *rows))


def _rows(definition: Mapping[str, Any], schema: Mapping[str, Any], above: str) -> list[str]:
    """A row per key; the keys of a mapping that is defined in place stand below it."""
    rows = []
    for key, each in definition["properties"].items():
        needed = " (needed)" if key in definition.get("required", ()) else ""
        rows.append(f"| `{above}{key}`{needed} | {_takes(each)} | {_example(each)} | {_meaning(each, schema)} |")
        inner = next((part for part in (each, each.get("items") or {}) if part.get("properties")), None)
        rows += _rows(inner, schema, f"{above}{key}.") if inner else []
    return rows


def _takes(definition: Mapping[str, Any]) -> str:
    if "$ref" in definition and "type" not in definition:
        return f"`{definition['$ref'].rpartition('/')[2]}`"
    if "enum" in definition:
        return ", ".join(f"`{_cell(str(value))}`" for value in definition["enum"])
    if "const" in definition:
        return f"`{_cell(json.dumps(definition['const']))}`"
    for key in ("oneOf", "anyOf"):
        if key in definition:
            return " or ".join(dict.fromkeys(_takes(each) for each in definition[key]))
    kind = definition.get("type", "anything")
    kinds = " or ".join(kind) if isinstance(kind, list) else str(kind)
    inner = definition.get("items") or definition.get("additionalProperties")
    kinds = {"object": "mapping", "array": "list"}.get(kinds, kinds)
    return f"{kinds} of {_takes(inner)}" if isinstance(inner, Mapping) and inner and kinds in ("mapping", "list") else kinds


def _example(definition: Mapping[str, Any]) -> str:
    return ", ".join(f"`{_cell(each if isinstance(each, str) else json.dumps(each))}`" for each in definition.get("examples", ()))


def _meaning(definition: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "description" in definition or "$ref" not in definition:
        return _cell(definition.get("description", ""))
    return _cell(schema["$defs"][definition["$ref"].rpartition("/")[2]].get("description", ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# --- the Python API ----------------------------------------------------------------------------------------------------------

API_HEADING = """# Python API

Written by `docs/refresh.py` from the docstrings of what `edgeroi.__all__` names, and only of that: it stays as it is from one minor
version to the next.
`import edgeroi` loads nothing heavy; each name loads what it needs when it is used. Results are immutable, and all of them have

- `.to_frame()`: a pandas DataFrame, numbers unrounded, unknown as missing;
- `_repr_html_()`: the command's own table, for notebooks, with everything from a log escaped;
- `.plot()`: a matplotlib figure (`pip install 'edgeroi[plot]'`), of what its `.figures` hold: the same as `--plot` writes.

Mistakes in input raise `edgeroi.errors.EdgeroiError`, which names file, line, key and the fix.
A [notebook](../how-to/notebook.md) shows them at work.

Besides, `edgeroi.executor` runs the policies of a scenario over an application's own calls, in threads and in asyncio: fallback, hedge,
cascade, route and split, losers cancelled, every call told. `python -m pydoc edgeroi.executor` shows how.

"""


def api_page() -> str:
    """Every public name, with its signature, its docstring, and what its values hold."""
    names = [name for name in edgeroi.__all__ if name != "__version__"]
    functions = [name for name in names if inspect.isfunction(getattr(edgeroi, name))]
    types = [name for name in names if inspect.isclass(getattr(edgeroi, name))]
    return API_HEADING + "\n".join(_entry(name) for name in (*sorted(functions), *sorted(types)))


def _entry(name: str) -> str:
    found = getattr(edgeroi, name)
    lines = [f"## edgeroi.{name}", ""]
    if inspect.isfunction(found):
        lines += ["```python", *_signature(name, found), "```", ""]
    lines += [_doc(found), ""]
    if dataclasses.is_dataclass(found):
        lines += [f"Holds {', '.join(f'`{each.name}`' for each in dataclasses.fields(found))}.", ""]
    if inspect.isclass(found):
        lines += [*(f"- `{member}`: {_first(told)}" for member, told in _members(found)), ""]
    return "\n".join(lines)


def _signature(name: str, found: Any) -> list[str]:
    parameters = list(inspect.signature(found).parameters.values())
    lines: list[str] = []
    starred = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
    for each in parameters:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            lines, starred = [*lines, "    *,"], True
        lines.append(f"    {each},".replace("'", ""))  # annotations are texts here
    return [f"edgeroi.{name}(", *lines, f") -> {inspect.signature(found).return_annotation}"]


def _members(found: type) -> Iterator[tuple[str, Any]]:
    for name, value in sorted(vars(found).items()):
        told = getattr(value, "func", value)  # a cached property
        if not name.startswith("_") and (callable(value) or isinstance(value, property) or told is not value) and inspect.getdoc(told):
            yield (f".{name}()" if inspect.isfunction(value) else f".{name}"), told


def _first(told: Any) -> str:
    return (inspect.getdoc(told) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")


def _doc(found: Any) -> str:
    return (inspect.getdoc(found) or "").replace("``", "`")


#: Each generated file below ``docs/``, and what makes it.
PAGES: Mapping[str, Callable[[], str]] = {
    "formats.md": formats_page,
    "man/edgeroi.1": man_page,
    "reference/cli.md": cli_page,
    "reference/scenario.md": grammar_page,
    "reference/python.md": api_page,
}
