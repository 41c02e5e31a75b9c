"""A frame as rich renderables. Pure: the same frame, time and size give the same picture.

Text from data goes in as rich.text.Text, which knows no markup.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.core.events import Action, State
from orchestrator.progress.state import DecisionLine, Frame, ProgressFigures, Slot, StudyContext
from orchestrator.progress.text import clean, clock_time, duration, parameters, per_epoch, score, varied
from orchestrator.race.contract import TrialStatus

STATE_STYLE = {
    State.WAITING: "dim",
    State.RUNNING: "cyan",
    State.PARKED: "yellow",
    State.COMPLETE: "bold green",
    State.PRUNED: "dim",
    State.FAIL: "red",
}
ACTION_STYLE: dict[str, str] = {
    Action.PARK: "yellow",
    Action.STOP: "dim",
    Action.PROMOTE: "bold cyan",
    Action.PRUNE: "dim",
    Action.COMPLETE: "bold green",
    Action.FAIL: "bold red",
    Action.RETRY: "magenta",
}


@dataclass(frozen=True)
class Rows:
    """How many of each fit a terminal."""

    slots: int
    trials: int
    decisions: int


def fit(height: int, slots: int) -> Rows:
    """Shares `height` lines out: slots first (up to half), then the leaderboard (8), then decisions (6)."""
    free = max(height - 12, 6)  # the head, three table heads, blank lines, the line below a long table
    shown = min(slots, max(free // 2, 2))
    trials = min(8, max((free - shown + 1) // 2, 2))
    return Rows(shown, trials, min(6, max(free - shown - trials, 1)))


def picture(frame: Frame, study: StudyContext, now: float, height: int = 40) -> RenderableType:
    """Everything a user sees while a study runs, at most `height` lines where rows are not folded."""
    rows = fit(height - frame.progress.budget.given, len(frame.slots))
    parts: list[RenderableType] = [_head(frame, study), _progress(frame.progress, now)]
    spent = budget_text(frame.progress, now)
    if spent:
        parts.append(_one_line(Text(spent)))
    if frame.failures:
        parts.append(_one_line(Text(failures_text(frame), "red")))
    parts += [Text(), _slots(frame.slots, rows.slots, study, now), Text()]
    shown = with_score_first(frame.statuses)[: rows.trials]
    parts += [leaderboard_table(shown, frame.configs, study.metric, fold=False)]
    if frame.decisions:
        parts += [Text(), _decisions(frame.decisions[-rows.decisions :])]
    return Group(*parts)


def with_score_first(statuses: Sequence[TrialStatus]) -> list[TrialStatus]:
    """Best first as the race says; trials that nothing is known of come last."""
    return sorted(statuses, key=lambda item: (item.score is None, item.state is State.FAIL))


def leaderboard_table(
    statuses: Sequence[TrialStatus],
    configs: Mapping[int, Mapping[str, Any]],
    metric: str,
    *,
    fold: bool = True,
) -> Table:
    """Trials in the order given. fold: long parameters go on over several lines, else they are cut."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("trial", no_wrap=True)
    table.add_column("state", no_wrap=True, min_width=8)
    table.add_column("rung", justify="right", no_wrap=True)
    table.add_column(Text(clean(metric)), justify="right", no_wrap=True)
    table.add_column("folds", justify="right", no_wrap=True)  # at full length
    table.add_column("epochs", justify="right", no_wrap=True)
    table.add_column("what varies", overflow="fold")
    names = varied(configs)
    for item in statuses:
        style = "dim" if item.state in (State.PRUNED, State.FAIL, State.WAITING) else ""
        varies = Text(parameters(configs.get(item.trial, {}), names), style)
        table.add_row(
            Text(f"t{item.trial:04d}", style),
            Text(item.state.value, STATE_STYLE[item.state]),
            Text("-" if item.rung is None else str(item.rung + 1), style),
            Text(score(item.score), style),
            Text(str(item.folds_complete), style),
            Text(str(item.epochs_spent), style),
            varies if fold else _one_line(varies),
        )
    return table


def _head(frame: Frame, study: StudyContext) -> Text:
    states = [item.state for item in frame.statuses]
    counts = ", ".join(f"{states.count(state)} {state.lower()}" for state in State if state in states)
    return _one_line(Text.assemble((clean(study.name), "bold"), f"  {len(states)} trials: {counts}"))


def _one_line(text: Text) -> Text:
    """Cut where it doesn't fit. A column with no_wrap would take the room of the others instead."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def failures_text(frame: Frame) -> str:
    """failures: 2 exception, 1 nan, 1 retried; last t0004-f2: ValueError: ..."""
    kinds = ", ".join(f"{count} {clean(kind)}" for kind, count in sorted(frame.failures.items()))
    return f"failures: {kinds}, {frame.retries} retried; last {frame.last_failure}"


def progress_text(figures: ProgressFigures, now: float) -> str:
    """120 of 532 planned fold-epochs, 22%, 12 min left (at 14:32)."""
    text = f"{figures.spent} of {figures.planned} planned fold-epochs, {figures.part:.0%}"
    eta = figures.eta_s(now)
    if figures.done:
        return f"{text}, done"
    if eta is not None:
        return f"{text}, {duration(eta)} left (at {clock_time(now + eta, now)})"
    return f"{text}, finishing" if figures.spent >= figures.planned else text


def budget_text(figures: ProgressFigures, now: float) -> str:
    """budget: 120 of 500 fold-epochs, 35 min of 2 h 00 min; empty where there is none."""
    limit, parts = figures.budget, []
    if limit.fold_epochs is not None:
        parts.append(f"{figures.spent} of {limit.fold_epochs} fold-epochs")
    if limit.seconds is not None:
        elapsed = figures.elapsed_s + (0.0 if figures.done else now - figures.at)
        parts.append(f"{duration(elapsed)} of {duration(limit.seconds)}")
    return f"budget: {', '.join(parts)}" if parts else ""


def _progress(figures: ProgressFigures, now: float) -> Table:
    row = Table.grid(padding=(0, 2, 0, 0), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    bar = ProgressBar(total=1.0, completed=figures.part, complete_style="green", finished_style="bold green")
    row.add_row(bar, Text(progress_text(figures, now)))
    return row


def _slots(slots: Sequence[Slot | None], rows: int, study: StudyContext, now: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("slot", justify="right", no_wrap=True)
    table.add_column("fold run", no_wrap=True, min_width=8)
    table.add_column("leg", no_wrap=True, min_width=24)
    table.add_column("epoch", justify="right", no_wrap=True, min_width=5)
    table.add_column(Text(clean(study.metric)), justify="right", no_wrap=True, min_width=6)
    table.add_column("per epoch", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=11)
    shown = rows if len(slots) <= rows else rows - 1
    for number, slot in enumerate(slots[:shown], 1):
        table.add_row(str(number), *_slot_cells(slot, now))
    if len(slots) > shown:
        busy = sum(slot is not None for slot in slots[shown:])
        table.add_row("...", Text(f"{len(slots) - shown} more, {busy} busy", "dim"))
    return table


def _slot_cells(slot: Slot | None, now: float) -> list[RenderableType]:
    if slot is None:
        return [Text("idle", "dim")]
    return [
        Text(str(slot.key), "cyan"),
        ProgressBar(total=1.0, completed=slot.part(now), width=24, complete_style="cyan"),
        Text(f"{slot.epoch}/{slot.end}"),
        Text(score(slot.score)),
        Text(per_epoch(slot.epoch_s)),
        Text("speculative" if slot.speculative else "", "magenta"),
    ]


def _decisions(lines: Sequence[DecisionLine]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("at", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("on", no_wrap=True, min_width=8)
    table.add_column("because")
    for item in lines:
        at = time.strftime("%H:%M:%S", time.localtime(item.at))
        table.add_row(
            Text(at, "dim"),
            Text(item.action, ACTION_STYLE.get(item.action, "")),
            item.subject,
            _one_line(Text(clean(item.reason))),
        )
    return table
