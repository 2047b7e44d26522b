"""Brings the README up to date: ``python docs/refresh.py`` runs every console block again, writes what it printed, and draws the pictures.

Output shown with an ellipsis (a line ``...``) is left as it is. Look at the difference before you commit it: it is what users will see.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
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


def refreshed(text: str) -> str:
    """The README with today's output."""
    readme = module(ROOT / "tests" / "test_readme.py")
    with tempfile.TemporaryDirectory() as folder:
        place = readme.copied(Path(folder) / "checkout")

        def block(match: re.Match[str]) -> str:
            parts = []
            for shown in readme.shown(match[0]):
                kept = any(line.strip() == "..." for line in shown.output)
                output = shown.output if kept else readme.run(shown.command, place)
                parts.append("\n".join((f"$ {shown.typed}", *output)))
            return "```console\n" + "\n".join(parts) + "\n```"

        return re.sub(r"^```console\n.*?^```$", block, text, flags=re.DOTALL | re.MULTILINE)


def main() -> None:
    """Rewrite README.md and the pictures."""
    path = ROOT / "README.md"
    path.write_text(refreshed(path.read_text()))
    draw = module(ROOT / "docs" / "draw.py")
    for name, command in draw.PICTURES.items():
        (ROOT / "docs" / name).write_text(draw.picture(command))


if __name__ == "__main__":
    main()
