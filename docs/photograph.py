"""Photographs a page that a command writes, for the README; ``docs/refresh.py`` takes all of ``PAGES`` where Chromium is installed."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Each photograph in this folder, and the command that writes the page.
PAGES: dict[str, tuple[str, ...]] = {
    "page.webp": ("edgeroi", "compare", "scenarios/inline-completion.yaml", "--format", "html"),
}
#: What is seen of the page, and how well: under 200 kB.
SIZE = {"width": 1180, "height": 1500}
QUALITY = 82


def photograph(command: Sequence[str]) -> bytes:
    """The top of the page as WebP."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "page.html"
        program = Path(sys.executable).parent / command[0]
        subprocess.run([program, *command[1:], "--output", path], cwd=ROOT, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=True)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=SIZE, color_scheme="light")
        tab.goto(path.as_uri())
        tab.wait_for_selector('html[data-ready="true"]', state="attached")
        taken = tab.context.new_cdp_session(tab).send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        browser.close()
    return base64.b64decode(taken["data"])
