"""What a race knows of its trials: how far each has come, what became of it and why, who is ahead."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from orchestrator.core.events import State
from orchestrator.race.config import RaceConfig
from orchestrator.race.contract import OUT, TrialStatus
from orchestrator.race.fold_runs import FoldRun, FoldRuns


class Bookkeeping:
    """Kept for a rule, handed on when the budget is spent. Larger scores are better whatever the mode."""

    def __init__(self, cfg: RaceConfig) -> None:
        self.cfg = cfg
        self.most_finalists = cfg.finalists
        self.runs = FoldRuns(cfg.folds, cfg.max_t, cfg.mode)
        self.runs.grow(cfg.trials)
        self.final: dict[int, State] = {}  # trials that are COMPLETE, PRUNED or FAIL
        self.reasons: dict[int, str] = {}  # trial -> why it is where it is
        self.last_rung_score: dict[int, tuple[int, float]] = {}  # trial -> last finished rung (from 0), score
        self.top_rung = 0  # the rung of a complete trial
        self.withdrawn: set[int] = set()  # trials that will not start
        self.on_change: Callable[[FoldRun], None] = _nothing  # a queue's: it looks again at a fold run

    # ---- asked ----

    def statuses(self) -> list[TrialStatus]:
        """One per trial, best first: complete ones, then by rung reached and score, failed ones last."""
        return sorted((self.status(trial) for trial in range(self.runs.trials)), key=self._merit)

    def status(self, trial: int) -> TrialStatus:
        """Where one trial stands; costs nothing beside `statuses`."""
        rung, score = self.last_rung_score.get(trial, (None, None))
        return TrialStatus(
            trial,
            self.state(trial),
            rung,
            None if score is None else self.runs.sign * score,
            self.runs.full(trial),
            self.runs.spent[trial],
            self.reasons.get(trial, ""),
        )

    def state(self, trial: int) -> State:
        if trial in self.final:
            return self.final[trial]
        row = self.runs.of(trial)
        if any(run.running for run in row):
            return State.RUNNING
        return State.PARKED if any(run.epochs for run in row) else State.WAITING

    def epochs_set_aside(self, trial: int) -> list[int]:
        """Of each fold of a trial that failed, how many epochs it had."""
        return [len(run.aside[0]) for run in self.runs.of(trial)]

    def is_out(self, trial: int) -> bool:
        """Whether it was pruned or failed."""
        return self.final.get(trial) in OUT

    @property
    def narrowed(self) -> bool:
        """Whether fewer trials are to complete than at the beginning."""
        return self.cfg.finalists < self.most_finalists

    def finalists(self, count: int | None = None) -> tuple[int, ...]:
        """Those ahead of all others now, as many as there are to be (or `count`), best first."""
        alive = (t for t in range(self.runs.trials) if not self.is_out(t) and self.runs.spent[t])
        wanted = self.cfg.finalists if count is None else count
        return tuple(heapq.nsmallest(wanted, alive, key=self._merit_now))

    def best_pruned(self, count: int, begun: bool = False) -> list[int]:
        """The trials that were ahead of all others that were pruned, best first; begun: after they had."""
        out = (t for t, state in self.final.items() if state is State.PRUNED and t not in self.withdrawn)
        found = (trial for trial in out if not begun or self._has_begun(trial))
        return heapq.nsmallest(count, found, key=self._merit_now)

    def _has_begun(self, trial: int) -> bool:
        return self.runs.spent[trial] > 0 or any(run.running for run in self.runs.of(trial))

    def left_to_finish(self, trials: Collection[int]) -> int:
        """Fold-epochs that complete these trials, those already complete left out."""
        rows = [self.runs.of(trial) for trial in trials if trial not in self.final]
        return sum(self.cfg.max_t - run.epochs for row in rows for run in row)

    def _merit_now(self, trial: int) -> tuple[bool, int, float, int]:
        """Sorts the trial that is furthest and best first."""
        rung, score = self.last_rung_score.get(trial, (-1, 0.0))
        return (self.final.get(trial) is not State.COMPLETE, -rung, -score, trial)

    def _merit(self, status: TrialStatus) -> tuple[bool, bool, int, float, int]:
        rung, score = self.last_rung_score.get(status.trial, (-1, 0.0))
        failed = status.state is State.FAIL
        return (status.state is not State.COMPLETE, failed, -rung, -score, status.trial)

    # ---- kept ----

    def close(self, trial: int, state: State, reason: str) -> None:
        """A trial is complete, pruned or failed."""
        self.final[trial] = state
        self.reasons[trial] = reason
        for run in self.runs.of(trial):
            if state in OUT and not run.running:
                self.put_away(run)
            self.on_change(run)

    def put_away(self, run: FoldRun) -> None:
        """Its trial is out: what is stored of one that was pruned is deleted, of one that failed it stays."""
        if self.final[run.trial] is State.FAIL:
            self.runs.set_aside(run)
        else:
            self.runs.rewind(run, 0)

    def reopen(self, trial: int, epochs: Sequence[int]) -> None:
        """A trial that failed is in the race again. epochs: of each fold, those to go on from."""
        del self.final[trial]
        self.reasons[trial] = "it failed and is run again"
        for run, kept in zip(self.runs.of(trial), epochs, strict=True):
            self.runs.take_up(run, kept)

    def go_on(self, trial: int, reason: str) -> None:
        """A trial goes on to more epochs or folds; one that had been pruned starts again."""
        revived = self.final.pop(trial, None) is not None
        self.reasons[trial] = reason + (", fills a vacancy and runs again from the start" if revived else "")
        for run in self.runs.of(trial):
            self.on_change(run)

    def narrow(self, finalists: int | None = None) -> None:
        """So many trials are to complete; None: as many as at the beginning."""
        self.cfg = replace(self.cfg, finalists=finalists or self.most_finalists)

    def extend(self, trials: int) -> None:
        """The race has so many trials from now on."""
        first = self.runs.trials
        self.runs.grow(trials)
        for trial in range(first, trials):
            for run in self.runs.of(trial):
                self.on_change(run)

    def leave_queue(self) -> None:
        """Whoever kept a queue is told nothing more."""
        self.on_change = _nothing


def _nothing(run: FoldRun) -> None:
    """Nobody keeps a queue."""
