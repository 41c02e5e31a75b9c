"""Draws the pictures of README and docs again.

python -m docs.pictures            # all; the report's need Chromium, and minutes for README's two commands
python -m docs.pictures race       # docs/images/race.svg alone, of a drawn study

docs/images/screen.svg is made by a test of the screen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from orchestrator.study.study import Study
from tests.support.drawn_study import draw_study

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
TRIALS, FOLDS, EPOCHS = 64, 5, 18
ROW, CELL, GAP, LEFT, TOP = 6, 7, 8, 12, 48  # pixels: of a trial, an epoch, between folds, beside, above
STYLE = """
  text { font: 13px sans-serif; fill: #333 }
  .idle { fill: #ececec } .ran { fill: #7aa6d6 } .final { fill: #1f5fa8 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .idle { fill: #2e3338 } .ran { fill: #4f7fb3 } .final { fill: #8cc4ff }
  }
"""


def race_picture(epochs: Mapping[tuple[int, int], int], complete: set[int]) -> str:
    """SVG: a line a trial, a block a fold, as long as it has run. epochs: (trial, fold) -> epochs done."""
    order = sorted(range(TRIALS), key=lambda trial: -_spent(epochs, trial))
    spent = sum(epochs.values())
    width, height = LEFT * 2 + FOLDS * EPOCHS * CELL + (FOLDS - 1) * GAP, TOP + TRIALS * ROW + 28
    folds = sorted(range(FOLDS), key=lambda fold: -sum(epochs.get((trial, fold), 0) for trial in order))
    bars = [
        _bar(x, TOP + line * ROW, epochs.get((trial, fold), 0), "final" if trial in complete else "ran")
        for line, trial in enumerate(order)
        for x, fold in zip(_columns(), folds, strict=True)
    ]
    placed = zip(_columns(), folds, strict=True)
    heads = [f'<text x="{x}" y="{TOP - 8}">fold {fold}</text>' for x, fold in placed]
    share = 100 * spent / (TRIALS * FOLDS * EPOCHS)
    told = (
        f"{TRIALS} trials, one a line, over {FOLDS} folds of {EPOCHS} epochs: "
        f"{spent} of {TRIALS * FOLDS * EPOCHS} fold-epochs run ({share:.0f}%)"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>How far each trial of a race has run</title><desc>{told}</desc>\n<style>{STYLE}</style>\n"
        f'<text x="{LEFT}" y="18">{told}</text>\n{"".join(heads)}\n{chr(10).join(bars)}\n'
        f'<text x="{LEFT}" y="{height - 8}">dark: completed all folds; light: stopped early; '
        "grey: never run</text>\n</svg>\n"
    )


def _columns() -> list[int]:
    return [LEFT + fold * (EPOCHS * CELL + GAP) for fold in range(FOLDS)]


def _bar(x: int, y: int, done: int, kind: str) -> str:
    parts = [(kind, x, done), ("idle", x + done * CELL, EPOCHS - done)]
    return "".join(
        f'<rect class="{name}" x="{left}" y="{y}" width="{count * CELL}" height="{ROW - 1}"/>'
        for name, left, count in parts
        if count
    )


def _spent(epochs: Mapping[tuple[int, int], int], trial: int) -> int:
    return sum(done for (of, _), done in epochs.items() if of == trial)


def draw_race(folder: Path) -> None:
    study = Study(draw_study(folder / "race", trials=TRIALS, folds=FOLDS, max_t=EPOCHS, slots=4))
    done = study.curves().groupby(["trial", "fold"])["epoch"].max()
    epochs = {(int(trial), int(fold)): int(epoch) for (trial, fold), epoch in done.items()}
    complete = {item.number for item in study.complete_trials()}
    (IMAGES / "race.svg").write_text(race_picture(epochs, complete))


def draw_report(folder: Path) -> None:
    """Two pictures of the report that README's two commands make: what to use, and the race."""
    for words in (["tune", "--space", "age", "--study", "age"], ["ensemble", "--study", "age"]):
        command = [sys.executable, "-m", f"orchestrator.{words[0]}", *words[1:]]
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    for section, height in (("answer", 900), ("race", 980)):
        _photograph(
            folder / "runs" / "age" / "report.html", section, height, IMAGES / f"report_{section}.png"
        )


def _photograph(page: Path, section: str, height: int, out: Path) -> None:
    """The upper part of a section, in 32 colours: a picture of a page is small then."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 980, "height": height}, color_scheme="light")
        tab.goto(f"{page.resolve().as_uri()}#{section}")
        shown = Image.open(BytesIO(tab.screenshot()))
        browser.close()
    shown.convert("RGB").quantize(32).save(out, optimize=True)


PICTURES: Mapping[str, Callable[[Path], None]] = {"race": draw_race, "report": draw_report}


def main(names: list[str]) -> None:
    IMAGES.mkdir(exist_ok=True)
    for name in names or list(PICTURES):
        with tempfile.TemporaryDirectory() as folder:
            PICTURES[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
