"""Whoever has nothing but the report of a study with three planted faults finds all three in it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.report.writing import write_report
from tests.support.drawn_study import draw_study


def test_a_leak_an_optimum_at_the_edge_and_a_bad_fold_are_told_with_what_to_do(tmp_path: Path) -> None:
    path = draw_study(
        tmp_path / "a", fault="leak+edge+bad_fold", folds=5, trials=24, max_t=6, rows=600, images=True
    )
    html = write_report(path).read_text(encoding="utf-8")
    for code, way_out in (
        ("FO009", "give copies one group"),
        ("FO001", "widen the range: lr="),
        ("FO002", "look at the rows of fold 1"),
    ):
        assert code in html and way_out in html  # a way out stands beside what was found alone
