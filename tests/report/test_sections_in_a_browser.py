"""Trials, errors, data and the ensemble as people see them, pictures included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from orchestrator.ensemble import build_ensemble
from orchestrator.pages.blocks import Page, PageSection
from orchestrator.pages.evidence import rows_on
from orchestrator.pages.render import render
from orchestrator.pages.thumbnails import Pixels, thumbnail_uris
from orchestrator.report.context import ReportContext
from orchestrator.report.sections import data, ensemble, errors, trials
from orchestrator.snapshot import take_snapshot
from tests.support.browser import OpenPage
from tests.support.drawn_study import draw_study

SECTIONS = (trials, errors, data, ensemble)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    study = draw_study(
        tmp_path_factory.mktemp("seen") / "a", trials=16, images=True, classes=["<i>", "b", "c"]
    )
    build_ensemble(study, repeats=4)
    snapshot = take_snapshot(study)
    manifest = snapshot.manifest
    assert manifest is not None

    def read(rows: Sequence[int], side: int) -> list[Pixels | None]:
        paths = [Path(manifest.root) / manifest.frame["path"].iloc[row] for row in rows]
        found = [cv2.imread(str(path)) for path in paths]
        return [None if pixels is None else cv2.resize(pixels, (16, 16)) for pixels in found]  # tiny ones

    context = ReportContext((snapshot,), ((),), read)
    sections = tuple(PageSection(item.TITLE, item.blocks(context), item.QUESTION) for item in SECTIONS)
    page = Page("Report", (), (), sections, lambda row: (str(manifest.frame["path"].iloc[row]),), script=True)
    return render(page, thumbnail_uris(rows_on(page), read), "1.0")


@pytest.mark.parametrize(("width", "script"), [(320, True), (1280, False)])
def test_everything_is_there_at_any_width_and_without_a_script(
    open_page: OpenPage, html: str, width: int, script: bool
) -> None:
    shown = open_page(html, width=width, script=script)
    assert shown.overflow() <= 0
    page = shown.page
    for name in ("Confusion matrix", "Worst mistakes", "Calibration", "All trials", "Folds", "Members"):
        assert page.get_by_text(name, exact=True).first.is_visible()
    heads = page.get_by_text("taken for")
    pictures = page.locator("img")
    assert heads.count() > 0 and pictures.count() >= heads.count() + 3
    broken = "images => images.filter(image => image.naturalWidth === 0).length"
    assert pictures.evaluate_all(broken) == 0
    small = "images => images.filter(image => image.getBoundingClientRect().width < 90).length"
    assert pictures.evaluate_all(small) == 0
    assert page.locator("i").count() == 0  # the class named <i> is text


def test_a_link_to_a_section_shows_it(open_page: OpenPage, html: str) -> None:
    page = open_page(html, height=700, anchor="#errors").page
    assert page.evaluate("scrollY") > 700
    box = page.locator("#errors-title").bounding_box()
    assert box is not None and 0 <= box["y"] < 100
    seen = "document.elementFromPoint(600, 350).closest('section').id"
    assert page.evaluate(seen) == "errors"


def test_the_trials_sort_by_a_parameter_and_nobody_is_left_out(open_page: OpenPage, html: str) -> None:
    shown = open_page(html)
    table = shown.page.locator(".table", has=shown.page.get_by_role("region", name="All trials"))
    heads = table.locator("thead th").all_inner_texts()
    (at,) = [number for number, text in enumerate(heads, 1) if text.split()[0] == "lr"]
    table.get_by_role("button", name="lr").click()
    values = [float(text) for text in table.locator(f"tbody tr td:nth-child({at})").all_inner_texts()]
    assert values in (sorted(values), sorted(values, reverse=True)) and len(set(values)) > 5
    assert shown.faults() == []
