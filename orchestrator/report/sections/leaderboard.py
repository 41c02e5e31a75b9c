"""What users wrote down of the studies: notes, and scores of a leaderboard beside what was known before."""

from __future__ import annotations

import time
from collections.abc import Iterator

from orchestrator.pages.blocks import Block, Cell, Table, Text
from orchestrator.pages.figures import Point, ScatterChart
from orchestrator.report.context import ReportContext
from orchestrator.snapshot import StudySnapshot
from orchestrator.studies.scoring import agreement_lines
from orchestrator.study.remarks import LeaderboardScore

TITLE = "Notes and leaderboard"
QUESTION = "What was written down, and does the order out of fold foretell that of the leaderboard?"


def blocks(context: ReportContext) -> tuple[Block, ...]:
    """() where nothing was written down."""
    return (*_scores(context), *_notes(context))


def _scores(context: ReportContext) -> Iterator[Block]:
    found = [(study, score) for study in _alike(context) for score in study.leaderboard_scores]
    if not found:
        return
    metric = context.main.space.metric
    points = [
        point
        for study, score in found
        for point in _points(study, score, metric, is_main=study is context.main)
    ]
    if points:
        yield ScatterChart(
            "Leaderboard against out of fold",
            f"{metric} out of fold, when the score came",
            "leaderboard",
            points,
            "Each point is a submission. Public and private scores are of different rows.",
        )
    lines = agreement_lines([score for _, score in found if score.metric == metric])
    if lines:
        yield Text(tuple(f"{line}." for line in lines))
    columns = (
        "when",
        "study",
        "submitted",
        "public",
        "private",
        "out of fold",
        "low",
        "high",
        "which",
        "note",
    )
    yield Table("Scores of a leaderboard", columns, tuple(_row(*each) for each in found), in_terminal=False)


def _alike(context: ReportContext) -> list[StudySnapshot]:
    """The study, and those beside it of the same rows: of other rows scores do not compare."""
    rows = context.main.header.rows_fingerprint
    others = (item for item in context.others if rows and item.header.rows_fingerprint == rows)
    return [context.main, *others]


def _points(study: StudySnapshot, score: LeaderboardScore, metric: str, is_main: bool) -> Iterator[Point]:
    """A trial of another study is no trial of this report."""
    trial = score.trial if is_main else None
    if score.oof is None or score.metric != metric:
        return
    for group, value in (("public", score.public), ("private", score.private)):
        if value is not None:
            name = f"{study.name}, {_submitted(score)}"
            yield Point(score.oof, value, name, group, trial, score.note)


def _submitted(score: LeaderboardScore) -> str:
    return score.ensemble or ("-" if score.trial is None else f"trial {score.trial}")


def _row(study: StudySnapshot, score: LeaderboardScore) -> tuple[Cell, ...]:
    numbers = (score.public, score.private, score.oof, score.low, score.high)
    cells = tuple("-" if value is None else value for value in numbers)
    return (_moment(score.time), study.name, _submitted(score), *cells, score.estimate, score.note)


def _notes(context: ReportContext) -> Iterator[Block]:
    rows = [
        (_moment(note.time), study.name, note.text)
        for study in context.snapshots
        for note in study.remarks.notes
    ]
    if rows:
        yield Table("Notes", ("when", "study", "note"), tuple(rows), in_terminal=False)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
