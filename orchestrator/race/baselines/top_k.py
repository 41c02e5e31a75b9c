"""All but the top K after i epochs."""

from __future__ import annotations

from dataclasses import dataclass, field

from sortedcontainers import SortedList

from orchestrator.core.events import Decision, Leg
from orchestrator.core.text import counted
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.waiting_queue import WaitingQueue


@dataclass
class Group:
    """Trials that are cut together."""

    trials: range
    missing: int  # trials that may still come in
    entries: SortedList[tuple[float, int]] = field(default_factory=SortedList)  # (-score, trial), not inside
    inside: set[int] = field(default_factory=set)  # those that go, or went, to the end
    entered: int = 0  # trials that had an entry, inside or not
    cut: bool = False  # whether the first K were chosen; later only vacancies are filled


class TopKAfterEpochs(Rule):
    """All but the top K after i epochs: one cut and no more. K = finalists, i = grace_period.

    Every trial runs i epochs of the first fold of the fold order. When all are in, the K with the best
    running best go to the end of all folds, the others are PRUNED; slots may idle while the last come in. A
    finalist that fails gives its place to the next best, which starts again. Trials of an extension are cut
    on their own. Raises SearchSpaceError.
    """

    takes_back = False

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self.book.top_rung = 1
        self._groups = [Group(range(cfg.trials), cfg.trials)]
        self._waiting = WaitingQueue(self.book, self._goal)

    def next(self) -> Leg | None:
        return self._waiting.leg(self._reason)

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        if run.inside_leg or run.trial in self.book.final:
            return []
        group = self._group(run.trial)
        if run.trial in group.inside:
            return self.complete_if_full(run)
        score = run.bests[-1]
        self.book.last_rung_score[run.trial] = (0, score)
        group.entries.add((-score, run.trial))
        group.entered += 1
        group.missing -= 1
        return []

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        """Exactly what it spends when nothing fails."""
        to_the_end = cfg.folds * cfg.max_t - cfg.grace_period
        return cfg.trials * cfg.grace_period + min(cfg.finalists, cfg.trials) * to_the_end

    def planned_for(self, trials: int) -> int:
        """Each group is cut on its own."""
        kept = (min(trials - group.trials.start, len(group.trials)) for group in self._groups)
        return sum(super(TopKAfterEpochs, self).planned_for(count) for count in kept)

    def describe(self) -> str:
        epochs = f"{counted(self.cfg.grace_period, 'epoch')} of one fold"
        kept = f"the best {self.cfg.finalists} go to the end of all folds"
        return f"{counted(self.runs.trials, 'trial')} run {epochs}, {kept}"

    def extend(self, trials: int) -> None:
        now = self.runs.trials
        self._groups.append(Group(range(now, trials), trials - now))
        super().extend(trials)

    # ---- what waits for a slot ----

    def _group(self, trial: int) -> Group:
        return next(group for group in self._groups if trial in group.trials)

    def _goal(self, run: FoldRun) -> int:
        if run.trial in self.book.final:
            return 0
        if run.trial in self._group(run.trial).inside:
            return self.max_t
        return self.cfg.grace_period if run.fold == self.fold_order[0] else 0

    def _reason(self, run: FoldRun) -> str:
        if run.trial in self._group(run.trial).inside:
            return f"one of the best {self.cfg.finalists}: all folds at full length"
        return f"every trial runs {counted(self.cfg.grace_period, 'epoch')} of fold {run.fold}"

    # ---- what follows ----

    def on_fail(self, run: FoldRun, reason: str) -> None:
        if run.trial not in self.book.final:  # another of its fold runs may have failed before
            self.on_withdraw(run.trial)

    def on_withdraw(self, trial: int) -> None:
        group = self._group(trial)
        if trial in group.inside:
            group.inside.remove(trial)
        else:
            group.missing -= 1

    def settle(self) -> list[Decision]:
        decisions: list[Decision] = []
        for group in self._groups:
            if group.missing == 0:
                decisions += self._fill(group)
        return decisions

    def _fill(self, group: Group) -> list[Decision]:
        decisions: list[Decision] = []
        while group.entries and len(group.inside) < self.cfg.finalists:
            decisions += self._take_inside(group, group.entries.pop(0)[1])
        if not group.cut:
            group.cut = True
            for rank, (_, trial) in enumerate(group.entries, len(group.inside) + 1):
                decisions += self.prune(trial, f"{self._standing(group, rank)}: out")
        return decisions

    def _take_inside(self, group: Group, trial: int) -> list[Decision]:
        rank = group.entered - len(group.entries)
        group.inside.add(trial)
        decision = self.promote(trial, f"{self._standing(group, rank)}: goes to the end of all folds")
        # One fold, and max_t was the grace period: no epoch will follow.
        return [decision, *self.complete_if_full(self.runs.get(trial, 0))]

    def _standing(self, group: Group, rank: int) -> str:
        epochs = f"{counted(self.cfg.grace_period, 'epoch')} of fold {self.fold_order[0]}"
        return f"rank {rank} of {group.entered} after {epochs}, best {self.cfg.finalists} kept"
