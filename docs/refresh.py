"""Brings README and docs up to date: ``python docs/refresh.py`` runs every console block again, writes what it printed, draws the pictures.

The picture of a page is taken only where Chromium is installed; no test compares it, as every version of it draws a little differently.

``docs/formats.md`` is what ``edgeroi formats --format markdown`` prints, below its heading.

Where a block leaves lines out (a line ``...``), each stretch it shows is found again by its first line and stays as long as it is.
Look at the difference before you commit it: it is what users will see.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
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
    """The README with today's output."""
    readme = module(ROOT / "tests" / "test_readme.py")
    with tempfile.TemporaryDirectory() as folder:
        place = readme.copied(Path(folder) / "checkout")

        def block(match: re.Match[str]) -> str:
            parts = []
            for shown in readme.shown(match[0]):
                printed = readme.run(shown.command, place)
                output = abridged(shown.output, printed) if "..." in shown.output else printed
                parts.append("\n".join((f"$ {shown.typed}", *output)))
            return "```console\n" + "\n".join(parts) + "\n```"

        return re.sub(r"^```console\n.*?^```$", block, text, flags=re.DOTALL | re.MULTILINE)


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


def main() -> None:
    """Rewrite README.md, the table of formats and the pictures."""
    path = ROOT / "README.md"
    path.write_text(refreshed(path.read_text()))
    (ROOT / "docs" / "formats.md").write_text(formats_page())
    draw = module(ROOT / "docs" / "draw.py")
    for name, command in draw.PICTURES.items():
        (ROOT / "docs" / name).write_text(draw.picture(command))
    if shutil.which("chromium"):
        photograph = module(ROOT / "docs" / "photograph.py")
        for name, command in photograph.PAGES.items():
            (ROOT / "docs" / name).write_bytes(photograph.photograph(command))


if __name__ == "__main__":
    main()
