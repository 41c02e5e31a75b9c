"""What a leaderboard said of submissions beside what was known out of fold, as a part of the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence

from orchestrator.evaluation.rank_correlation import rank_correlation
from orchestrator.pages.blocks import Block, Cell, Table
from orchestrator.pages.figures import Point, ScatterChart
from orchestrator.report.context import ReportContext
from orchestrator.snapshot import StudySnapshot
from orchestrator.study.remarks import LeaderboardScore

Noted = tuple[str, LeaderboardScore]
"""Name of the study, and one score that a leaderboard gave it."""


def leaderboard(context: ReportContext) -> tuple[Block, ...]:
    """() where nobody wrote down a score."""
    noted = [(item.name, score) for item in context.snapshots for score in item.leaderboard_scores]
    if not noted:
        return ()
    alike = {item.name for item in context.snapshots if _on_the_same_rows(item, context.main)}
    charted = [each for each in noted if each[0] in alike]
    return (*_chart(charted, context.main.space.metric), _table(noted))


def _on_the_same_rows(one: StudySnapshot, other: StudySnapshot) -> bool:
    """Scores of other rows do not compare; early headers do not say which rows there were."""
    rows = other.header.rows_fingerprint
    return one is other or (rows != "" and one.header.rows_fingerprint == rows)


def _chart(noted: Sequence[Noted], metric: str) -> tuple[Block, ...]:
    """Those that have a public score and one out of fold, by the first study's metric."""
    pairs = [
        (name, score, score.oof, public)
        for name, score in noted
        if score.metric == metric and score.oof is not None and (public := score.public) is not None
    ]
    if not pairs:
        return ()
    found = rank_correlation([oof for *_, oof, _ in pairs], [public for *_, public in pairs])
    note = "Of fewer than four submissions no correlation is told." if found is None else f"{found}."
    points = [Point(oof, public, f"{name}, {_of(score)}", name) for name, score, oof, public in pairs]
    chart = ScatterChart(
        "Leaderboard against out-of-fold",
        f"{metric} out of fold",
        "public leaderboard",
        points,
        f"One point for each score that was noted with python -m orchestrator.studies score. {note}",
        diagonal=True,
    )
    return (chart,)


def _table(noted: Sequence[Noted]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, score in noted:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(score.time))
        scores = [_cell(value) for value in (score.public, score.private, score.oof)]
        rows.append((when, name, _of(score), *scores, score.metric, score.note))
    columns = ("noted (UTC)", "study", "of", "public", "private", "out of fold", "metric", "note")
    return Table("Scores of a leaderboard", columns, tuple(rows), in_terminal=False)


def _of(score: LeaderboardScore) -> str:
    return score.ensemble or ("" if score.trial is None else f"trial {score.trial}")


def _cell(value: float | None) -> Cell:
    return "" if value is None else float(value)
