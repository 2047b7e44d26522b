"""Draws what a command prints as an SVG picture, for the README; ``docs/refresh.py`` draws all of ``PICTURES``.

The command is really run, with colour; nothing in the picture is typed by hand, and it loads no font or other file.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
#: Each picture in this folder, and the command it shows.
PICTURES: dict[str, tuple[str, ...]] = {
    "verdict.svg": ("edgeroi", "compare", "scenarios/chatbot-70b.yaml", "scenarios/embedding-measured.yaml", "scenarios/voice.yaml"),
}
WIDEST = 150
#: Loads nothing, and names a monospaced font of every system: not every viewer knows what ``monospace`` is.
FONTS = '"Fira Code", Menlo, Consolas, "DejaVu Sans Mono", monospace'
WITHOUT_FONT_FILES = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, monospace", FONTS)


def printed(command: Sequence[str]) -> str:
    """What the command writes to stdout, with its colours; a gate that fails prints its table all the same."""
    bin_folder = Path(sys.executable).parent
    keep = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS"}}
    env = keep | {"FORCE_COLOR": "1", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PATH": f"{bin_folder}{os.pathsep}{keep['PATH']}"}
    done = subprocess.run([bin_folder / command[0], *command[1:]], cwd=ROOT, env=env, stdout=subprocess.PIPE, check=False)
    if done.returncode not in {0, 1, 3}:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout.decode()


def picture(command: Sequence[str]) -> str:
    """The SVG: the prompt, the command, and what it printed; sentences longer than ``WIDEST`` go on in the next line."""
    text = Text("$ " + " ".join(command) + "\n", style="bold")
    text.append_text(Text.from_ansi(printed(command)))
    width = min(WIDEST, max(line.cell_len for line in text.split("\n")))
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text)
    return console.export_svg(title="edgeroi", theme=MONOKAI, code_format=WITHOUT_FONT_FILES, unique_id="edgeroi")
