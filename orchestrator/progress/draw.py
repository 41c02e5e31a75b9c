"""A frame as lines of text. Pure: the same frame, time and size give the same lines.

What did not change since the last picture is not worked out again: a study is watched for hours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.events import Action, State
from orchestrator.core.text import counted
from orchestrator.progress.board import LONGEST_METRIC, board
from orchestrator.progress.layout import BLANK, Column, Line, Part, beside, cut, fit_line, line, table
from orchestrator.progress.state import DecisionLine, Frame, ProgressFigures, Slot, StudyContext
from orchestrator.progress.text import clean, clock_time, duration, per_epoch, score
from orchestrator.race.contract import TrialStatus

ACTION_STYLE: dict[str, str] = {
    Action.PARK: "yellow",
    Action.STOP: "dim",
    Action.PROMOTE: "bold cyan",
    Action.PRUNE: "dim",
    Action.COMPLETE: "bold green",
    Action.FAIL: "bold red",
    Action.RETRY: "magenta",
}
HEADLESS = 7  # lines that slots and leaderboard take at least, with their titles
ROOMY = 18  # lines, from which on parts are set apart and decisions are shown
BAR, LEG_BAR = 40, 24  # cells at most


@dataclass(frozen=True)
class Rows:
    """How many of each fit a terminal."""

    slots: int
    trials: int  # lines of the leaderboard below its title
    decisions: int


def fit(height: int, slots: int, trials: int, decisions: int, head: int) -> Rows:
    """Shares `height` lines out. Slots get a third, decisions a fifth (6 at most), the leaderboard the rest.

    trials, decisions: how many lines there are to show; head: lines above the slots.
    """
    roomy = height >= ROOMY
    free = max(height - 1 - head - 2 - (2 if roomy else 0), 3)  # two titles, blank lines; one stays empty
    told = min(6, decisions, max(free // 5, 1)) if roomy else 0
    free -= told + 2 if told else 0
    busy = min(slots, max(free // 3, 2))
    shown = min(trials, free - busy)
    busy = min(slots, free - shown)
    return Rows(busy, max(shown, 1), told)


class Drawer:
    """Draws one study's frames, one after another, all in one thread."""

    def __init__(self, study: StudyContext) -> None:
        self._study = study
        self._statuses_of: tuple[Any, ...] = (None, None)
        self._statuses: tuple[TrialStatus, ...] = ()
        self._board_of: tuple[Any, ...] = ()
        self._board: list[Line] = []

    def lines(self, frame: Frame, now: float, width: int, height: int) -> list[Line]:
        """Everything a user sees while a study runs: fewer than `height` lines (10 or more) of at most
        `width` cells (40 or more)."""
        if self._statuses_of[0] is not frame.last_statuses or self._statuses_of[1] != frame.running:
            self._statuses_of, self._statuses = (frame.last_statuses, frame.running), frame.statuses
        head = self._head(frame, now, width, height)
        board_rows = len(self._statuses) + 3  # with the titles of three blocks
        rows = fit(height, len(frame.slots), board_rows, len(frame.decisions), len(head))
        gap = [BLANK] if height >= ROOMY else []
        lines = [*head, *gap, *_slots(frame.slots, rows.slots, self._study, now, width), *gap]
        lines += self._leaderboard(frame, width, rows.trials)
        if rows.decisions:
            lines += [BLANK, *_decisions(frame.decisions[-rows.decisions :], width)]
        return lines

    def _leaderboard(self, frame: Frame, width: int, rows: int) -> list[Line]:
        # By what they are, not by what they hold: frames share what did not change.
        asked = (self._statuses, frame.configs, width, rows)
        same = len(self._board_of) == len(asked) and all(
            mine is other or (isinstance(mine, int) and mine == other)
            for mine, other in zip(self._board_of, asked, strict=True)
        )
        if not same:
            study = self._study
            self._board = board(
                self._statuses, frame.configs, frame.varied, study.metric, study.folds, width, rows
            )
            self._board_of = asked
        return self._board

    def _head(self, frame: Frame, now: float, width: int, height: int) -> list[Line]:
        study = self._study
        states = [item.state for item in self._statuses]
        counts = ", ".join(f"{states.count(state)} {state.lower()}" for state in State if state in states)
        long = len(clean(study.metric)) > LONGEST_METRIC
        metric = f"  score: {clean(study.metric)}" if long else ""
        name = Part(clean(study.name), "bold")
        told = Part(f"  {counted(len(states), 'trial')}: {counts or 'none yet'}{metric}")
        clock = (Part(duration(_elapsed(frame.progress, now)), "dim"),)
        lines = [beside((name, told), clock, width), _progress(frame.progress, now, width)]
        more = (
            (waiting_text(frame, now), "cyan"),
            (failures_text(frame) if frame.failures else "", "red"),
            (budget_text(frame.progress, now), ""),
        )
        lines += [line(cut(text, width), style) for text, style in more if text]
        return lines[: max(height - HEADLESS, 2)]


def picture(frame: Frame, study: StudyContext, now: float, height: int = 40, width: int = 120) -> list[Line]:
    """One frame by itself."""
    return Drawer(study).lines(frame, now, width, height)


def waiting_text(frame: Frame, now: float) -> str:
    """What a study waits for as long as it has no epoch to show."""
    if frame.has_epochs or frame.progress.done:
        return ""
    running = [slot for slot in frame.slots if slot is not None]
    if not running:
        return f"waiting for a first fold run to start: {duration(now - frame.began)} so far"
    so_far = duration(now - min(slot.since for slot in running))
    starting = sum(not slot.ready for slot in running)
    if starting:
        its = "its" if starting == 1 else "their"
        return f"waiting for {counted(starting, 'worker')} to import {its} libraries: {so_far} so far"
    return f"waiting for a first epoch to end: {so_far} so far; there is no time left to tell yet"


def failures_text(frame: Frame) -> str:
    """failures: 2 exception, 1 nan, 1 retried; last t0004-f2: ValueError: ..."""
    kinds = ", ".join(f"{count} {clean(kind)}" for kind, count in sorted(frame.failures.items()))
    return f"failures: {kinds}, {frame.retries} retried; last {frame.last_failure}"


def progress_text(figures: ProgressFigures, now: float) -> str:
    """120 of 532 planned fold-epochs, 22%, 12 min left (at 14:32)."""
    text = f"{figures.spent} of {figures.planned} planned fold-epochs, {figures.part:.0%}"
    if figures.done:
        return f"{spent_text(figures)}, 100%, done"
    eta = figures.eta_s(now)
    if eta is not None:
        return f"{text}, {duration(eta)} left (at {clock_time(now + eta, now)})"
    return f"{text}, finishing" if figures.spent >= figures.planned else text


def spent_text(figures: ProgressFigures) -> str:
    """What a race took that is done, and where that is not what was planned at its start, why."""
    began = figures.planned if figures.began_with is None else figures.began_with
    if figures.spent == began:
        return f"{figures.spent} of {began} planned fold-epochs"
    difference = abs(figures.spent - began)
    word = "more" if figures.spent > began else "fewer"
    why = f" ({figures.why_other})" if figures.why_other else ""
    return f"{counted(figures.spent, 'fold-epoch')}, {difference} {word} than the {began} planned{why}"


def budget_text(figures: ProgressFigures, now: float) -> str:
    """budget: 120 of 500 fold-epochs, 35 min of 2 h 00 min; empty where there is none."""
    limit, parts = figures.budget, []
    if limit.fold_epochs is not None:
        parts.append(f"{figures.spent} of {limit.fold_epochs} fold-epochs")
    if limit.seconds is not None:
        parts.append(f"{duration(_elapsed(figures, now))} of {duration(limit.seconds)}")
    return f"budget: {', '.join(parts)}" if parts else ""


def _elapsed(figures: ProgressFigures, now: float) -> float:
    return figures.elapsed_s + (0.0 if figures.done else now - figures.at)


def _progress(figures: ProgressFigures, now: float, width: int) -> Line:
    text = progress_text(figures, now)
    room = min(width - len(text) - 2, BAR)
    if room < 6:
        return fit_line((Part(text),), width)
    return (*bar(figures.part, room, "green"), Part(f"  {text}"))


def bar(part: float, width: int, style: str) -> Line:
    """part: in [0, 1]; a half cell is the least that shows. The rest is thinner, for who sees no colours."""
    halves = int(width * 2 * min(max(part, 0.0), 1.0))
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return tuple(
        item for item in (Part(done, style), Part("─" * (width - len(done)), "bright_black")) if item.text
    )


# ---- slots ----------------------------------------------------------------------------------------


def _slots(
    slots: Sequence[Slot | None], rows: int, study: StudyContext, now: float, width: int
) -> list[Line]:
    metric = clean(study.metric)
    columns = [
        Column("slot", 6, right=True),
        Column("fold run", 9, least=8),
        Column("leg", 2, least=max(min(LEG_BAR, width - 56), 8)),
        Column("epoch", 8, right=True, least=5),
        Column(metric if len(metric) <= LONGEST_METRIC else "score", 7, right=True, least=6),
        Column("per epoch", 1, right=True),
        Column("", 3, least=11),
    ]
    shown = rows if len(slots) <= rows else max(rows - 1, 0)
    bars = columns[2].least
    cells = [
        [[Part(str(number))], *_slot_cells(slot, bars, now)] for number, slot in enumerate(slots[:shown], 1)
    ]
    lines = table(columns, cells, width)
    if len(slots) > shown:
        busy = sum(slot is not None for slot in slots[shown:])
        lines.append(line(cut(f" ...  {len(slots) - shown} more slots, {busy} of them busy", width), "dim"))
    return lines


def _slot_cells(slot: Slot | None, bars: int, now: float) -> list[Sequence[Part]]:
    if slot is None:
        return [line("idle", "dim")]
    return [
        line(str(slot.key), "cyan"),
        bar(slot.part(now), bars, "cyan"),
        line(f"{slot.epoch}/{slot.end}"),
        line(score(slot.score)),
        line(per_epoch(slot.epoch_s)),
        _doing(slot, now),
    ]


def _doing(slot: Slot, now: float) -> Line:
    if not slot.ready:
        return line(f"starting, {duration(now - slot.since)}", "dim")
    return line("speculative", "magenta") if slot.speculative else ()


def _decisions(lines: Sequence[DecisionLine], width: int) -> list[Line]:
    columns = [
        Column("at", 1),
        Column("decision", 3),
        Column("on", 2, least=8),
        Column("because", 2, takes_rest=True),
    ]
    rows = [
        [
            line(time.strftime("%H:%M:%S", time.localtime(item.at)), "dim"),
            line(item.action, ACTION_STYLE.get(item.action, "")),
            line(item.subject),
            line(clean(item.reason)),
        ]
        for item in lines
    ]
    return table(columns, rows, width)
