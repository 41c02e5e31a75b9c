"""Every rule on the same draws, on several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Protocol

import numpy as np

from orchestrator.race.simulate.rule_specs import Entry
from orchestrator.race.simulate.summary import Outcome, Terms, race_once
from orchestrator.race.simulate.table import CurveTable

DRAWS_PER_CHUNK = 4  # few enough that all processes end at about the same time


class Source(Protocol):
    """Where draws come from: a table, or chance."""

    def draw(self, subset: int | None, rng: np.random.Generator) -> CurveTable: ...


@dataclass(frozen=True)
class Contest:
    """Which rules race, on what, how."""

    curves: Source
    entries: tuple[Entry, ...]
    terms: Terms
    subset: int | None = None  # how many of the trials a draw has; all if None
    seed: int = 0  # of draws and failures

    def draw(self, number: int) -> list[Outcome]:
        """Of each entry, on draw `number`; all race on the same."""
        drawn = self.curves.draw(self.subset, np.random.default_rng([self.seed, number]))
        return [race_once(entry, drawn, self.terms, [self.seed, number, 1]) for entry in self.entries]


_contest: list[Contest] = []  # of this worker process


def _begin(contest: Contest) -> None:
    _contest.append(contest)


def _draws(numbers: Sequence[int]) -> list[list[Outcome]]:
    return [_contest[0].draw(number) for number in numbers]


def hold(
    contest: Contest, draws: int, workers: int, progress: Callable[[int, int], None]
) -> list[list[Outcome]]:
    """Of each draw, the outcome of each entry."""
    chunks = [range(start, min(start + DRAWS_PER_CHUNK, draws)) for start in range(0, draws, DRAWS_PER_CHUNK)]
    results: list[list[Outcome]] = []
    if workers == 1 or len(chunks) == 1:
        for number in range(draws):
            results.append(contest.draw(number))
            progress(number + 1, draws)
        return results
    # Not forked: a fork would take along whatever threads and locks this process has.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(chunks)), mp_context=spawn, initializer=_begin, initargs=(contest,)
    ) as pool:
        for outcomes in pool.map(_draws, chunks):
            results += outcomes
            progress(len(results), draws)
    return results
