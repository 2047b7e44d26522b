"""Runs a notebook without Jupyter: every code cell in one namespace, and what its last expression shows of itself as its output.

``docs/refresh.py`` writes the outputs of ``examples/notebook.ipynb`` by it, and the test holds them against a new run.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
#: How a value may show itself, and the kind that is kept under.
_WAYS = (("_repr_html_", "text/html"), ("_repr_svg_", "image/svg+xml"))


def executed(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook with its outputs made anew, in the folder that holds it; a cell that fails ends the run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    number, cells = 0, []
    with _standing_in(NOTEBOOK.parent):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                number += 1
                outputs = list(_outputs("".join(cell["source"]), names, number))
                cell = {**cell, "execution_count": number, "outputs": outputs}
            cells.append(cell)
    return {**notebook, "cells": cells}


@contextlib.contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    """The folder, and the day the README shows."""
    before, day = Path.cwd(), os.environ.get("SOURCE_DATE_EPOCH")
    os.chdir(folder)
    os.environ["SOURCE_DATE_EPOCH"] = "1795305600"
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.pop("SOURCE_DATE_EPOCH", None) if day is None else os.environ.__setitem__("SOURCE_DATE_EPOCH", day)


def _outputs(source: str, names: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, shown = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
    if printed.getvalue():
        yield {"name": "stdout", "output_type": "stream", "text": printed.getvalue().splitlines(keepends=True)}
    if shown is not None:
        data = {"text/plain": repr(shown)} | {kind: getattr(shown, way)() for way, kind in _WAYS if hasattr(shown, way)}
        kept = {kind: text.splitlines(keepends=True) for kind, text in data.items() if text}
        yield {"data": kept, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def main() -> None:
    """Write the notebook with its outputs."""
    NOTEBOOK.write_text(json.dumps(executed(json.loads(NOTEBOOK.read_text())), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
