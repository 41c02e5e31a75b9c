"""Reports of twelve kinds of studies in a real Chromium: quiet, whole, and for everybody to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.report.writing import write_report
from tests.support.browser import OpenPage
from tests.support.drawn_study import draw_study

KINDS: dict[str, dict[str, Any]] = {
    "whole": {"images": True},
    "with an ensemble": {"images": True},
    "side by side": {},
    "one trial": {"trials": 1},
    "failures alone": {"state": "failed"},
    "some failures": {"fault": "failures"},
    "running": {"state": "running", "most": 15},
    "interrupted": {"state": "interrupted", "most": 1},
    "two classes": {"classes": 2, "metric": "roc_auc"},
    "smaller is better": {"metric": "log_loss"},
    "many trials": {"trials": 200, "rows": 120, "probabilities": False},
    "strange names": {
        "classes": ("<script>alert(1)</script>", '"><b>', "\u202ered"),
        "paths": ("<img src=x>",),
    },
}
ALWAYS = ("answer", "checks", "race", "reproduce")
OF_COMPLETE = ("trials", "curves", "errors", "data")
WITHOUT = ("failures alone", "running", "interrupted")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("reports")
    return {kind: _report(root / f"study-{number}", kind) for number, kind in enumerate(KINDS)}


def _report(folder: Path, kind: str) -> Path:
    studies = [draw_study(folder, **KINDS[kind])]
    if kind == "with an ensemble":
        assert ensemble(["--study", str(folder), "--repeats", "20", "--no-report"]) == 0
    if kind == "side by side":
        studies.append(draw_study(folder.with_name("other"), seed=1))
    return write_report(studies)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_quiet_and_whole(open_page: OpenPage, reports: dict[str, Path], kind: str) -> None:
    """No error in the console and no request: the fixture looks at those when the test ends."""
    page = open_page(reports[kind]).page
    due = ALWAYS if kind in WITHOUT else (*ALWAYS, *OF_COMPLETE)
    missing = [name for name in due if page.locator(f"#{name}").count() != 1]
    assert not missing
    if kind not in WITHOUT:
        assert page.locator("#race svg path, #race svg polyline").count() > 0
        assert page.locator("#errors svg, #errors table").count() > 0
    assert page.locator("text=This part could not be made").count() == 0


@pytest.mark.parametrize("kind", ["with an ensemble", "side by side", "strange names"])
def test_nobody_is_left_out(open_page: OpenPage, reports: dict[str, Path], kind: str) -> None:
    shown = open_page(reports[kind], width=320)
    assert shown.overflow() <= 0
    assert shown.faults() == []


def test_tables_sort_filter_and_a_trial_is_found_everywhere(
    open_page: OpenPage, reports: dict[str, Path]
) -> None:
    page = open_page(reports["many trials"]).page
    table = page.locator("table", has=page.locator("th", has_text="why it ended"))
    head = table.locator("th button", has_text="trial").first
    head.click()
    first = table.locator("tbody tr:visible td").first
    assert first.inner_text() == "0"
    head.click()
    assert first.inner_text() == "199"


def test_without_a_script_everything_is_there(open_page: OpenPage, reports: dict[str, Path]) -> None:
    page = open_page(reports["whole"], script=False).page
    assert page.locator("h2").count() >= len(ALWAYS) + len(OF_COMPLETE)
    assert page.locator("tbody tr:visible").count() >= 12 and page.locator("svg:visible").count() > 4
