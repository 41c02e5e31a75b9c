"""How large a report is, how long it takes to write, and how soon a browser answers.

    python -m benchmarks.report_size                  # about a minute, on two drawn studies

Of 64 trials x 5 folds x 18 epochs with pictures, and of 1,000 trials, both raced as a search races them. The
pictures are noise, which JPEG cannot make small. "Interactive" is the mark that the page's script sets when
all of it is in place, in milliseconds since the file was asked for; then the longest table is sorted, and a
trial is highlighted in all figures. The rules: 8 MB and 12 MB at most, and interactive within 1.5 s (median).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from orchestrator.report import write_report
from tests.support.browser import chromium
from tests.support.drawn_study import draw_study

LARGEST = {"64 trials": 8_000_000, "1,000 trials": 12_000_000}  # bytes
SOONEST_MS = 1500
SIDE = 256  # pixels of an image, so that a thumbnail is as large as those of photographs
ROUNDS = 5


@dataclass(frozen=True)
class Measured:
    name: str
    size: int  # bytes
    pictures: int
    wall: float  # seconds until the report was written
    cpu: float
    interactive: tuple[float, ...]  # ms, of each round
    sorting: float  # ms
    highlighting: float

    @property
    def holds(self) -> bool:
        return self.size <= LARGEST[self.name] and statistics.median(self.interactive) <= SOONEST_MS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of what is drawn (default 0)")
    parser.add_argument("--keep", type=Path, help="a folder for the reports, to look at them")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        reports = [_report(name, Path(scratch), given) for name in LARGEST]
        measured = [_measure(*report) for report in reports]
    _print(measured)
    return 0 if all(item.holds for item in measured) else 1


def _report(name: str, scratch: Path, given: argparse.Namespace) -> tuple[str, Path, float, float]:
    """Name, file, and the seconds that it took."""
    folder = scratch / name.split()[0].replace(",", "")
    if name == "64 trials":
        draw_study(folder, trials=64, folds=5, max_t=18, rows=2000, images=True, seed=given.seed)
        _enlarge(scratch, given.seed)
    else:
        draw_study(folder, trials=1000, folds=5, max_t=18, rows=2000, seed=given.seed)
    out = (given.keep or scratch) / f"{folder.name}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    wall, cpu = time.perf_counter(), time.process_time()
    write_report(folder, out, seed=given.seed)
    return name, out, time.perf_counter() - wall, time.process_time() - cpu


def _enlarge(scratch: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for path in sorted(scratch.rglob("*.png")):
        small = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        noise = rng.integers(-60, 60, small.shape)
        cv2.imwrite(str(path), np.clip(small + noise, 0, 255).astype(np.uint8))


def _measure(name: str, path: Path, wall: float, cpu: float) -> Measured:
    with chromium() as browser:
        interactive = tuple(_opened(browser, path) for _ in range(ROUNDS))
        page = browser.new_page()
        page.goto(path.as_uri())
        sorting = page.evaluate(_TIMED, "th button")
        highlighting = page.evaluate(_TIMED, "td button")
    pictures = path.read_text(encoding="utf-8").count("<img ")
    return Measured(name, path.stat().st_size, pictures, wall, cpu, interactive, sorting, highlighting)


_TIMED = """(selector) => {
  const inFold = (table) => table.closest("details");
  const seen = Array.from(document.querySelectorAll("main .table")).filter((table) => !inFold(table));
  const rows = (table) => table.querySelectorAll("tr[data-trial]").length;
  const button = seen.reduce((a, b) => (rows(b) > rows(a) ? b : a)).querySelector(selector);
  const began = performance.now();
  button.click();
  document.body.getBoundingClientRect(); // the layout that follows counts too
  return performance.now() - began;
}"""


def _opened(browser: Any, path: Path) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    found: float = page.evaluate("performance.getEntriesByName('interactive')[0].startTime")
    context.close()
    return found


def _print(measured: Sequence[Measured]) -> None:
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    heads = ("report", "size", "pictures", "written in", "CPU", "interactive", "sort", "highlight", "holds")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for item in measured:
        soon, late = statistics.median(item.interactive), max(item.interactive)
        cells = (
            item.name,
            f"{item.size / 1e6:.2f} MB",
            item.pictures,
            f"{item.wall:.1f} s",
            f"{item.cpu:.1f} s",
            f"{soon:.0f} ms (at most {late:.0f})",
            f"{item.sorting:.0f} ms",
            f"{item.highlighting:.0f} ms",
            "yes" if item.holds else "no",
        )
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    raise SystemExit(main())
