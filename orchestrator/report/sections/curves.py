"""How trials learnt, fold by fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from orchestrator.core.events import FoldRunKey, State
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Text
from orchestrator.pages.figures import Line, LineChart
from orchestrator.report.context import ReportContext
from orchestrator.report.sections.race import WORDS
from orchestrator.snapshot import StudySnapshot

TITLE = "Curves"
QUESTION = "Did the trials still improve when they ended, and do the folds agree?"

MOST = 40
"""Trials that are drawn: complete ones, then those that came furthest. More are a thicket."""
MOST_COLOURS = 6
"""Complete trials with a colour of their own."""
LOSSES = {"loss_train": "training", "loss_val": "validation"}


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot = context.main
    if not len(snapshot.curves):
        return (Text(("No epoch has ended yet.",)),)
    return (_scores(snapshot), *_losses(snapshot))


def _scores(snapshot: StudySnapshot) -> LineChart:
    drawn = [item for item in snapshot.statuses if item.epochs_spent][:MOST]
    few = len([item for item in drawn if item.state is State.COMPLETE]) <= MOST_COLOURS
    groups = {
        item.trial: f"trial {item.trial}" if few and item.state is State.COMPLETE else WORDS[item.state]
        for item in drawn
    }
    chosen = snapshot.curves[snapshot.curves["trial"].isin(groups)]
    lines = [_line(snapshot, key, rows, groups[key.trial]) for key, rows in _by_fold_run(chosen)]
    left = len([item for item in snapshot.statuses if item.epochs_spent]) - len(drawn)
    more = f" Drawn are the {len(drawn)} trials that came furthest; {left} more ended before." if left else ""
    return LineChart(
        f"{snapshot.space.metric} by epoch",
        "epoch",
        snapshot.space.metric,
        lines,
        f"One panel for each fold. The dot of a line is the epoch that is kept.{more}",
        facets=_facets(snapshot),
        x_marks=_rung_marks(snapshot),
    )


def _by_fold_run(curves: pd.DataFrame) -> Iterator[tuple[FoldRunKey, pd.DataFrame]]:
    for _, rows in curves.groupby(["trial", "fold"], sort=True):
        yield FoldRunKey(int(rows["trial"].iloc[0]), int(rows["fold"].iloc[0])), rows


def _line(snapshot: StudySnapshot, key: FoldRunKey, rows: pd.DataFrame, group: str) -> Line:
    best = snapshot.history.best(key)
    return Line(
        f"trial {key.trial}",
        rows["epoch"].astype(float).tolist(),
        rows["score"].tolist(),
        group=group,
        mark_x=() if best is None else (float(best.epoch),),
        trial=key.trial,
        facet=f"fold {key.fold}",
    )


def _facets(snapshot: StudySnapshot) -> Sequence[str]:
    return [f"fold {fold}" for fold in range(snapshot.space.folds)]


def _rung_marks(snapshot: StudySnapshot) -> list[tuple[float, str]]:
    """Epochs at which trials are compared; several rungs may have one."""
    numbers: dict[int, list[int]] = {}
    for number, rung in enumerate(snapshot.ladder, 1):
        numbers.setdefault(rung.epochs, []).append(number)
    return [(float(epochs), f"rung {' and '.join(map(str, found))}") for epochs, found in numbers.items()]


def _losses(snapshot: StudySnapshot) -> tuple[Block, ...]:
    """Of the trial that came first; () where its trainable reports no loss."""
    columns = [name for name in LOSSES if name in snapshot.curves]
    first = next((item.trial for item in snapshot.statuses if item.epochs_spent), None)
    rows = snapshot.curves[snapshot.curves["trial"] == first]
    lines = [
        Line(
            f"trial {first}, {LOSSES[column]}",
            known["epoch"].astype(float).tolist(),
            known[column].tolist(),
            group=f"{LOSSES[column]} loss",
            trial=first,
            facet=f"fold {int(str(fold))}",
        )
        for fold, own in rows.groupby("fold")
        for column in columns
        if len(known := own[own[column].notna()])
    ]
    if not lines:
        return ()
    note = (
        f"Of trial {first}, the first of {counted(len(snapshot.statuses), 'trial')}. Where the validation "
        "loss rises while the training loss falls, the model learns its training rows by heart."
    )
    return (LineChart("Loss by epoch", "epoch", "loss", lines, note, facets=_facets(snapshot)),)
