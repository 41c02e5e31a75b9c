"""A page as people see it: a real Chromium opens the file; what it says or asks for is written down."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WIDTHS = (320, 1280, 3840)
PATIENCE_MS = 120_000  # for anything, on a machine that runs other tests too


@dataclass
class WatchedPage:
    """`page` is Playwright's; what must stay empty is looked at once more when the test ends."""

    page: Page
    errors: list[str] = field(default_factory=list)  # of the console, and what a script raised
    requests: list[str] = field(default_factory=list)  # addresses that were asked for and refused

    def faults(self) -> list[str]:
        """What axe-core finds serious or critical: its rule, and where."""
        self.page.evaluate(_axe())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{item['id']}: {', '.join(' '.join(map(str, node['target'])) for node in item['nodes'][:5])}"
            for item in found["violations"]
            if item["impact"] in ("serious", "critical")
        ]

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return width

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """For what the browser says after the page is there; returns where it never does."""
        until = time.monotonic() + PATIENCE_MS / 1000
        while not holds() and time.monotonic() < until:
            self.page.wait_for_timeout(20)  # lets it be heard meanwhile

    def assert_quiet(self) -> None:
        assert not self.errors and not self.requests


OpenPage = Callable[..., WatchedPage]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises FileNotFoundError where none is installed."""
    from playwright.sync_api import expect, sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError("Chromium is not installed (on Debian: apt install chromium)")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as running:
        # A container's root has no sandbox, and its /dev/shm is small.
        started = running.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=PATIENCE_MS
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file of tests."""
    try:
        with chromium() as started:
            yield started
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """`open_page(path or html, width=1280, scheme="light", script=True)`. Every page must have been quiet."""
    opened: list[WatchedPage] = []

    def show(
        source: Path | str,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["light", "dark"] = "light",
        script: bool = True,
        anchor: str = "",
    ) -> WatchedPage:
        path = source if isinstance(source, Path) else tmp_path / f"page-{len(opened)}.html"
        if isinstance(source, str):
            path.write_text(source, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=script
        )
        context.set_default_timeout(PATIENCE_MS)
        watched = WatchedPage(context.new_page())
        opened.append(watched)
        _watch(watched, path.as_uri())
        watched.page.goto(path.as_uri() + anchor)
        return watched

    yield show
    for watched in opened:
        watched.page.context.close()
    for watched in opened:
        watched.assert_quiet()


def _watch(watched: WatchedPage, own: str) -> None:
    def answer(route: Route) -> None:
        if route.request.url.partition("#")[0] == own:
            route.continue_()
        else:
            watched.requests.append(route.request.url)
            route.abort()

    page = watched.page
    page.context.route("**/*", answer)
    page.on(
        "console",
        lambda line: watched.errors.append(line.text) if line.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: watched.errors.append(str(error)))


def _axe() -> Any:
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
