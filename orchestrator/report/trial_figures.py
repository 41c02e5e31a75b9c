"""Parameters of trials against their scores, as figures. At most MOST trials are drawn, of whatever many."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.core.events import State
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Text, cell_text
from orchestrator.pages.figures import Axis, ParallelChart, ParallelLine, Point, ScatterChart
from orchestrator.report.cells import value_cell
from orchestrator.snapshot import StudySnapshot
from orchestrator.space.domains import Domain

MOST = 300
"""Trials that are drawn: all complete ones, and of the others as many as fit, drawn at random."""
MOST_AXES = 8
FEWEST = 3
"""With fewer trials there is nothing to see."""
COMPLETE, EARLY = "complete", "stopped early or not ended (expected score)"


@dataclass(frozen=True)
class Drawn:
    """A trial in a figure."""

    trial: int
    config: Mapping[str, Any]
    score: float
    is_complete: bool

    @property
    def state(self) -> str:
        return COMPLETE if self.is_complete else EARLY


def drawn_trials(snapshot: StudySnapshot, scores: Mapping[int, float], seed: int) -> tuple[list[Drawn], int]:
    """In the order of the leaderboard, and how many are left out. scores: of the trials that have one."""
    configs = snapshot.study.configs
    known = [
        Drawn(item.trial, configs[item.trial], scores[item.trial], item.state is State.COMPLETE)
        for item in snapshot.statuses
        if item.trial in scores and item.trial in configs
    ]
    others = [at for at, item in enumerate(known) if not item.is_complete]
    room = max(MOST - (len(known) - len(others)), 0)
    dropped: set[int] = set()
    if len(others) > room:
        rng = np.random.default_rng([seed, 16])
        dropped = set(rng.permutation(others)[room:].tolist())
    return [item for at, item in enumerate(known) if at not in dropped], len(dropped)


def slices(snapshot: StudySnapshot, drawn: tuple[list[Drawn], int], names: Sequence[str]) -> list[Block]:
    """One for each parameter that has two values or more."""
    trials, left = drawn
    if len(trials) < FEWEST:
        return []
    made = []
    for name in names:
        axis = axis_of(name, snapshot.space.domains[name])
        points = [
            Point(place, item.score, f"trial {item.trial}", item.state, item.trial,
                  f"{name}={cell_text(value_cell(item.config[name]))}")
            for item in trials
            if (place := place_on(axis, item.config.get(name), name in item.config)) is not None
        ]  # fmt: skip
        if len({point.x for point in points}) > 1:
            made.append((name, axis, points))
    charts = [
        ScatterChart(name, axis, snapshot.space.metric, points, small=True) for name, axis, points in made
    ]
    return [Text((_slice_note(left),), title="Each parameter against the score"), *charts] if charts else []


def _slice_note(left: int) -> str:
    return (
        "One point for each trial, by its value and its score. That of a trial without all folds at full "
        "length is what samplers expect of it there: its own, lifted by what longer fold runs gained, and "
        f"the folds that it lacks filled in from others.{_left(left)}"
    )


def _left(left: int) -> str:
    return f" {counted(left, 'trial')} without all folds are not drawn, chosen at random." if left else ""


def parallel(
    snapshot: StudySnapshot, drawn: tuple[list[Drawn], int], names: Sequence[str]
) -> list[ParallelChart]:
    """One, of the first parameters and the score; none of fewer than FEWEST trials or without a parameter."""
    trials, left = drawn
    domains = snapshot.space.domains
    shown = [name for name in names if len({repr(item.config.get(name)) for item in trials}) > 1][:MOST_AXES]
    if len(trials) < FEWEST or not shown:
        return []
    axes = [*(axis_of(name, domains[name]) for name in shown), Axis(snapshot.space.metric)]
    lines = [
        ParallelLine(
            f"trial {item.trial}",
            [*(place_on(axis, item.config.get(name), name in item.config)
               for name, axis in zip(shown, axes, strict=False)), item.score],
            item.score,
            item.trial,
            item.state,
        )
        for item in trials
    ]  # fmt: skip
    more = len(names) - len(shown)
    rest = f" {counted(more, 'parameter')} of less importance or of one value are left out." if more else ""
    note = (
        "One line for each trial; where the best ones run together, the value matters. Of a trial without "
        f"all folds the score is the expected one.{rest}{_left(left)}"
    )
    return [ParallelChart("Parallel coordinates", axes, lines, note, color_label=snapshot.space.metric)]


def axis_of(name: str, domain: Domain) -> Axis:
    if domain.kind == "choice" and not _are_numbers(domain.values):
        return Axis(name, categories=tuple(_text(value) for value in domain.values))
    return Axis(name, log=domain.kind == "loguniform")


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def place_on(axis: Axis, value: Any, has_it: bool) -> float | None:
    """None where a trial has no such parameter, or a value that the space does not know."""
    if not has_it:
        return None
    if axis.categories:
        text = _text(value)
        return float(axis.categories.index(text)) if text in axis.categories else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
