"""The leaderboard: complete trials and the others apart, because their scores cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from orchestrator.core.events import State
from orchestrator.progress.layout import GAP, Column, Line, Part, cut, line, table
from orchestrator.progress.parameters import ParameterColumn, parameter_columns
from orchestrator.progress.text import clean, score
from orchestrator.race.contract import OUT, TrialStatus

STATE_STYLE = {
    State.WAITING: "dim",
    State.RUNNING: "cyan",
    State.PARKED: "yellow",
    State.COMPLETE: "bold green",
    State.PRUNED: "dim",
    State.FAIL: "red",
}
LONGEST_METRIC = 12  # cells; a longer name stands in the head alone
_FIXED = (
    Column("trial", 9),
    Column("state", 7, least=8),
    Column("rung", 6, right=True),
    Column("score", 8, right=True, least=6),
    Column("folds", 2, right=True),
    Column("epochs", 1, right=True),
)
Shown = tuple[TrialStatus, ...]


@dataclass(frozen=True)
class Block:
    """Trials whose scores can be compared, or are too few to be."""

    title: str
    trials: Shown


def blocks(statuses: Sequence[TrialStatus]) -> list[Block]:
    """Complete trials, those that are still in the race, and those that are out; each in the race's order,
    trials without a score last. Those that have not begun are left to the line of what is not shown."""
    begun = [item for item in statuses if item.state is not State.WAITING or item.epochs_spent]
    known = sorted(begun, key=lambda item: item.score is None)
    complete = tuple(item for item in known if item.state is State.COMPLETE)
    out = tuple(item for item in known if item.state in OUT)
    going = tuple(item for item in known if item.state is not State.COMPLETE and item.state not in OUT)
    found = (
        Block("complete: all folds at full length, by score", complete),
        Block("in the race: by rung, then score there; rungs differ in folds and epochs", going),
        Block("out: by rung, then score there", out),
    )
    return [block for block in found if block.trials]


def fitting(found: Sequence[Block], rows: int) -> list[Block]:
    """The blocks cut to so many lines, titles and the line of what is left out among them."""
    titles = len(found) if len(found) > 1 else 0
    if sum(len(block.trials) for block in found) + titles <= rows:
        return list(found)
    found = [*found]
    while len(found) > 1 and len(found) * 2 + 1 > rows:
        found.pop()  # the best blocks come first
    left = max(rows - 1 - (len(found) if len(found) > 1 else 0), 1)
    counts = [0] * len(found)
    for at, block in enumerate(found):
        others = len(found) - at - 1  # each of them has a row at least, the next one up to a third
        kept = max(others, left // 3) if others else 0
        counts[at] = min(len(block.trials), max(left - kept, 1))
        left -= counts[at]
    for at, block in enumerate(found):  # what later blocks did not need
        more = min(left, len(block.trials) - counts[at])
        counts[at], left = counts[at] + more, left - more
    return [Block(block.title, block.trials[:count]) for block, count in zip(found, counts, strict=True)]


def more_text(statuses: Sequence[TrialStatus], shown: Sequence[Block]) -> str:
    """12 more: 3 parked, 9 pruned; empty where all are shown."""
    seen = {item.trial for block in shown for item in block.trials}
    states = [item.state for item in statuses if item.trial not in seen]
    kinds = ", ".join(f"{states.count(state)} {state.lower()}" for state in State if state in states)
    return f"{len(states)} more: {kinds}" if states else ""


def board(
    statuses: Sequence[TrialStatus],
    configs: Mapping[int, Mapping[str, Any]],
    names: Sequence[str],
    metric: str,
    folds: int | None,
    width: int,
    rows: int,
) -> list[Line]:
    """A title line and at most `rows` lines. names: of the parameters that vary in the study; folds: of a
    complete trial, where that is known."""
    found = fitting(blocks(statuses), rows)
    trials = [item for block in found for item in block.trials]
    fixed = [_renamed(column, metric) for column in _FIXED]
    cells = [_fixed_cells(item, folds) for item in trials]
    room = width - sum(_width_of(column, at, cells) + GAP for at, column in enumerate(fixed))
    own = _that_fit(parameter_columns([configs.get(item.trial, {}) for item in trials], names), room)
    columns = [*fixed, *(Column(item.title, 0) for item in own)]
    lines = table(
        columns,
        [
            [*fixed_cells, *([Part(item.cells[at], _style(status))] for item in own)]
            for at, (status, fixed_cells) in enumerate(zip(trials, cells, strict=True))
        ],
        width,
    )
    return _with_titles(lines, found, more_text(statuses, found), width)


def _with_titles(lines: list[Line], found: Sequence[Block], more: str, width: int) -> list[Line]:
    made, at = [lines[0]], 1
    for block in found:
        if len(found) > 1:
            made.append(line(cut(block.title, width), "dim italic"))
        made += lines[at : at + len(block.trials)]
        at += len(block.trials)
    return [*made, line(cut(more, width), "dim")] if more else made


def _renamed(column: Column, metric: str) -> Column:
    name = clean(metric)
    if column.title != "score" or cell_len(name) > LONGEST_METRIC:
        return column
    return Column(name, column.keep, column.right, column.least)


def _fixed_cells(item: TrialStatus, folds: int | None) -> list[list[Part]]:
    style = _style(item)
    done = str(item.folds_complete) if folds is None else f"{item.folds_complete}/{folds}"
    texts = ("-" if item.rung is None else str(item.rung + 1), score(item.score), done)
    return [
        [Part(f"t{item.trial:04d}", style)],
        [Part(item.state.value, STATE_STYLE[item.state])],
        *([Part(text, style)] for text in texts),
        [Part(str(item.epochs_spent), style)],
    ]


def _style(item: TrialStatus) -> str:
    return "dim" if item.state in (State.PRUNED, State.FAIL, State.WAITING) else ""


def _width_of(column: Column, at: int, cells: Sequence[Sequence[Sequence[Part]]]) -> int:
    return max([cell_len(column.title), column.least, *(cell_len(row[at][0].text) for row in cells)])


def _that_fit(columns: Sequence[ParameterColumn], room: int) -> list[ParameterColumn]:
    """As many as the room allows, the first ones first; the last title says how many are left out."""
    kept: list[ParameterColumn] = []
    for column in columns:
        needed = max([cell_len(column.title), *(cell_len(cell) for cell in column.cells)])
        last = len(kept) + 1 == len(columns)
        if needed + (0 if last else GAP + 3) <= room:
            kept.append(column)
            room -= needed + GAP
    hidden = len(columns) - len(kept)
    if hidden and room >= 3:
        empty = ("",) * len(columns[0].cells)
        kept.append(ParameterColumn(f"+{hidden}", empty))
    return kept
