"""A real Chromium for the tests of pages: a page opened from its file, with everything it logged and asked the network for."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent / "fixtures" / "axe" / "axe.min.js"
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
DESKTOP, PHONE = (1280, 900), (375, 800)


@dataclass
class Opened:
    """A page in a tab, and what it said and asked for."""

    tab: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def number(self, selector: str) -> float | None:
        """The number behind an element's words."""
        told = self.tab.eval_on_selector(selector, "element => element.dataset.value ?? null")
        return None if told is None else float(told)

    def text(self, selector: str) -> str:
        """An element's words."""
        return str(self.tab.inner_text(selector)).strip()

    def move(self, name: str, place: int, panel: int = 0) -> None:
        """A slider to a position, as a hand does it; answers once the page has redrawn."""
        self.tab.evaluate(
            """([selector, place]) => new Promise((done) => {
                const input = document.querySelector(selector);
                input.value = place;
                input.dispatchEvent(new Event("input", {bubbles: true}));
                requestAnimationFrame(() => requestAnimationFrame(done));
            })""",
            [f'[data-what-if="{panel}"] [data-slider="{name}"] input', place],
        )


def chromium() -> Iterator[Any]:
    """A running browser; skips where there is none, fails where one is demanded (``EDGEROI_NEEDS_BROWSER=1``, as ``.ci/run`` does)."""
    demanded = os.environ.get("EDGEROI_NEEDS_BROWSER") == "1"
    if CHROMIUM is None:
        (pytest.fail if demanded else pytest.skip)("no Chromium here: apt-get install chromium")
    sync_api = importlib.import_module("playwright.sync_api") if demanded else pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def opened(running: Any, path: Path, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Opened:
    """The file in a tab of its own, drawn; the caller closes the tab."""
    tab = running.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    found = Opened(tab)
    tab.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: found.said.append(f"error: {error}"))
    tab.on("dialog", lambda dialog: (found.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.on("request", lambda request: found.asked.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_selector('html[data-ready="true"]', state="attached")
    return found


def violations(page: Opened) -> list[str]:
    """What axe-core finds that is serious or worse."""
    page.tab.evaluate(AXE.read_text())
    found = page.tab.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found if each["impact"] in ("serious", "critical")]
