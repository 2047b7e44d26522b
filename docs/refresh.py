"""Brings README and docs up to date: ``python docs/refresh.py`` runs every console block again, makes the pages, draws the pictures.

What is generated, and from what, is said in ``docs/pages.py``. The picture of a page is taken only where Chromium is installed; no test
compares it, as every version of it draws a little differently.

Where a block leaves lines out (a line ``...``), each stretch it shows is found again by its first line and stays as long as it is.
Look at the difference before you commit it: it is what users will see.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def module(path: Path) -> ModuleType:
    """A script, loaded; the test of the README knows how its blocks are read and run."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    loaded = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def stretches(lines: Sequence[str]) -> list[list[str]]:
    """The lines between the ellipses; an empty stretch where an ellipsis begins or ends the block."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip() == "...":
            found.append([])
        else:
            found[-1].append(line)
    return found


def abridged(shown: Sequence[str], printed: Sequence[str]) -> list[str]:
    """What was printed, with what the block leaves out still left out; ends the program where a stretch is not found again."""
    kept, start = [], 0
    for stretch in stretches(shown):
        if stretch and stretch[0] not in printed[start:]:
            sys.exit(f"nothing printed begins with the line {stretch[0]!r} any more")
        start = printed.index(stretch[0], start) if stretch else start
        kept.append(list(printed[start : start + len(stretch)]))
        start += len(stretch)
    return [line for number, stretch in enumerate(kept) for line in (["..."] if number else []) + stretch]


def refreshed(text: str) -> str:
    """A page with today's output; its blocks are run one after another in a checkout of their own."""
    readme = module(ROOT / "tests" / "test_readme.py")
    with tempfile.TemporaryDirectory() as folder:
        place = readme.copied(Path(folder) / "checkout")

        def block(match: re.Match[str]) -> str:
            if match["unrun"]:
                return match[0]
            parts = []
            for shown in readme.shown(match["block"]):
                printed = readme.run(shown.command, place)
                output = abridged(shown.output, printed) if "..." in shown.output else printed
                parts.append("\n".join((f"$ {shown.typed}", *output)))
            return "```console\n" + "\n".join(parts) + "\n```"

        return re.sub(readme.CONSOLE_BLOCK, block, text, flags=re.DOTALL | re.MULTILINE)


def main() -> None:
    """Rewrite README.md, the pages and the pictures."""
    pages, readme = module(ROOT / "docs" / "pages.py"), module(ROOT / "tests" / "test_readme.py")
    for name, made in pages.PAGES.items():
        (ROOT / "docs" / name).parent.mkdir(exist_ok=True)
        (ROOT / "docs" / name).write_text(made())
    for path in (ROOT / "README.md", *readme.written_pages()):
        path.write_text(refreshed(path.read_text()))
    draw = module(ROOT / "docs" / "draw.py")
    module(ROOT / "docs" / "notebook.py").main()
    for name, command in draw.PICTURES.items():
        (ROOT / "docs" / name).write_text(draw.picture(command))
    if shutil.which("chromium"):
        photograph = module(ROOT / "docs" / "photograph.py")
        for name, command in photograph.PAGES.items():
            (ROOT / "docs" / name).write_bytes(photograph.photograph(command))


if __name__ == "__main__":
    main()
