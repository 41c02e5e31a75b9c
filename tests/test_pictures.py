"""Pictures of README and docs: what they are drawn from, and that the pages say the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from docs.pictures import EPOCHS, FOLDS, TRIALS, race_picture
from orchestrator.race.config import RaceConfig
from orchestrator.race.ladder import ladder_of

DOCS = Path(__file__).parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


def test_a_race_shows_each_fold_run_as_long_as_it_ran_and_the_complete_trials_first() -> None:
    epochs = {(7, fold): EPOCHS for fold in range(FOLDS)} | {(3, 0): 2}
    drawn = ET.fromstring(race_picture(epochs, {7}))
    bars = [item for item in drawn.iter(f"{SVG}rect") if item.get("class") != "idle"]
    assert [item.get("class") for item in bars] == ["final"] * FOLDS + ["ran"]
    lengths = [int(item.get("width", "0")) for item in bars]
    assert len(set(lengths[:FOLDS])) == 1 and lengths[0] * 2 == lengths[-1] * EPOCHS
    heads = [text for item in drawn.iter(f"{SVG}text") if (text := item.text or "").startswith("fold ")]
    assert heads == [f"fold {fold}" for fold in range(FOLDS)]
    told = drawn.findtext(f"{SVG}desc") or ""
    assert f"{FOLDS * EPOCHS + 2} of {TRIALS * FOLDS * EPOCHS} fold-epochs" in told


def test_the_page_of_the_race_says_what_its_picture_says() -> None:
    told = re.search(r"<desc>(.*?)</desc>", (DOCS / "images" / "race.svg").read_text())
    assert told is not None
    spent, total = re.findall(r"(\d+) of (\d+) fold-epochs", told[1])[0]
    page = (DOCS / "explanation" / "race.md").read_text()
    assert f"The race runs {spent} of them" in page and f"{int(total):,} fold-epochs" in page


def test_the_page_of_the_race_has_the_rungs_of_the_default_ladder() -> None:
    page = (DOCS / "explanation" / "race.md").read_text()
    shown = re.findall(r"^\| \d+ \| (\d+) \| (\d+) \| ([\d or]+) \|$", page, re.MULTILINE)
    ladder = ladder_of(RaceConfig(trials=TRIALS, folds=FOLDS, max_t=EPOCHS))
    assert [(int(folds), int(epochs)) for folds, epochs, _ in shown] == [(r.folds, r.epochs) for r in ladder]
    assert [int(comes.split()[0]) for *_, comes in shown] == [rung.quota for rung in ladder]


def test_pictures_are_small_and_ask_nobody() -> None:
    pictures = [path for path in (DOCS / "images").iterdir() if path.suffix in (".svg", ".png")]
    assert len(pictures) >= 3
    assert [path.name for path in pictures if path.stat().st_size > 120_000] == []
    for path in (path for path in pictures if path.suffix == ".svg"):
        addresses = set(re.findall(r"(?:href|url|src)[=(:\s\"\']+(https?://[^\"\')\s]+)", path.read_text()))
        assert not addresses, path.name
