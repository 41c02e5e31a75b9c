"""Trials that climb one ladder together: who is a member of which rung, who has an entry, who goes on.

A trial's level is the highest rung it is a member of; it is ranked there once it has an entry, the mean score
over the rung's folds. A trial that fails with an entry keeps it (the comparison was made); one that fails
without an entry leaves a vacancy. The capacity of a rung is its quota: more where vacancies above it could
not be filled otherwise, fewer where not so many trials can come. Until all entries of the rung below are in,
a quota is only known to lie between the rung's bounds.

64 trials on the ladder 64-20-7-3, in five steps (tests/race/test_cohort.py):

    50 entries at rung 1, 14 missing   ranks 1-6 are certain to be among 20 (6 + 14) and promoted; ranks 21-50
                                       have 20 better ones before them and are pruned; 7-20 wait
    a trial fails before its entry     nothing stands for it: 13 are missing, and rank 7 is certain too
    the last 13 come in                20 are promoted, 43 pruned, 1 has failed
    a member of rung 2 fails there     that is a vacancy: rank 21 of rung 1, pruned long ago, is promoted
    one of the 3 finalists fails       rank 4 of rung 3 fills the vacancy; where nobody is left there, the
                                       capacity of rung 3 rises from 7 to 8, and so on down the ladder
"""

from __future__ import annotations

from dataclasses import replace

from sortedcontainers import SortedList

from orchestrator.race.ladder import Ladder

Ranked = tuple[float, int]
"""(-score, trial): sorts best first, the earlier trial first among equals."""

LEAST, MOST = 0, 1
"""Of a number that is not known yet: its lower and its upper bound."""

LIKELY_SHARE, LIKELY_ENTRIES = 0.3, 3
"""A guess needs so many of a rung's entries: see docs/decisions.md, The race ("Guesses")."""


class Cohort:
    """Counts and ranks of the ladder's bottom quota of trials, from number `first` on. Rungs from 0."""

    def __init__(self, first: int, ladder: Ladder) -> None:
        self.trials = range(first, first + ladder[0].quota)
        self.top = len(ladder) - 1
        self.level = dict.fromkeys(self.trials, 0)  # trial -> rung
        self.scores: dict[tuple[int, int], float] = {}  # (trial, rung) -> what is ranked, larger is better
        self.falls: dict[tuple[int, int], float] = {}  # (trial, rung) -> mean fall below the running best
        self.ranks: list[SortedList] = [SortedList() for _ in ladder]  # every entry of a rung
        self.candidates: list[SortedList] = [SortedList() for _ in ladder]  # neither promoted nor failed
        self.open: list[SortedList] = [SortedList() for _ in ladder]  # nor pruned
        self.members = [len(self.trials)] + [0] * self.top
        self.failed: set[int] = set()
        self.reopened: set[int] = set()  # trials that failed and were run again
        self._quotas: list[int | None] = [None] * len(ladder)  # set ones
        self._capacities: tuple[list[int], list[int]] | None = None  # counted again after each change
        self.ladder = ladder

    # ---- quotas and capacities ----

    def set_ladder(self, ladder: Ladder) -> None:
        """Other quotas for the same rungs; those set already stay."""
        self.ladder, self._capacities = ladder, None

    def quota(self, rung: int) -> int | None:
        """None while it is not known yet."""
        step = self.ladder[rung]
        return step.least if step.least == step.widest else self._quotas[rung]

    def quota_text(self, rung: int) -> str:
        quota, step = self.quota(rung), self.ladder[rung]
        return f"{step.least} to {step.widest}" if quota is None else f"{quota}"

    def expected(self) -> Ladder:
        """Its ladder, with the quotas that are settled in place of the nominal ones."""
        return tuple(
            rung if quota is None else replace(rung, quota=quota)
            for rung, quota in zip(self.ladder, self._quotas, strict=True)
        )

    def set_quota(self, rung: int, quota: int) -> None:
        self._quotas[rung], self._capacities = quota, None

    def forget_quotas(self) -> None:
        """They are settled again: what they were measured by has changed."""
        self._quotas, self._capacities = [None] * len(self.ladder), None

    def unset(self) -> int | None:
        """The lowest rung whose quota is open although all entries it follows from are in, or None."""
        for rung in range(1, self.top + 1):
            if self.quota(rung) is None:
                # One epoch shows no jump: the least of the second rung's members run to it first.
                shown = (0, 1) if rung == 1 else (rung - 1,)
                return rung if all(self.missing(below, LEAST) <= 0 for below in shown) else None
        return None

    def capacity(self, rung: int, bound: int = MOST) -> int:
        """How many trials this rung will have in the end, at least or at most."""
        if self._capacities is None:
            self._capacities = self._count_capacities()
        return self._capacities[bound][rung]

    def _wanted(self) -> list[int]:
        """The least quotas, raised where trials failed higher up and those here cannot fill the vacancies."""
        wanted = self._bounds(LEAST)
        for rung in range(self.top - 1, -1, -1):
            vacant = max(wanted[rung + 1] - self.members[rung + 1], 0)
            to_come = self.members[rung] - len(self.ranks[rung])
            short = vacant - len(self.candidates[rung]) - to_come
            wanted[rung] = max(wanted[rung], self.members[rung] + short)
        return wanted

    def _bounds(self, bound: int) -> list[int]:
        """The quotas, raised where the place of a trial that failed went to another and it is back."""
        quotas = [self._bound(rung, bound) for rung in range(self.top + 1)]
        if not self.reopened:
            return quotas
        return [
            max(quota, self.members[rung] + self._own_places(rung, quota))
            for rung, quota in enumerate(quotas)
        ]

    def _own_places(self, rung: int, quota: int) -> int:
        """Trials that are back and that the rung below ranks inside this one's quota."""
        if rung == 0:
            return 0
        below, scores = self.open[rung - 1], self.scores
        back = [trial for trial in self.reopened if self.level[trial] == rung - 1]
        ranked = [t for t in back if (t, rung - 1) in scores and (-scores[t, rung - 1], t) in below]
        return sum(self.rank(trial, rung - 1) <= quota for trial in ranked)

    def _bound(self, rung: int, bound: int) -> int:
        quota = self.quota(rung)
        return (self.ladder[rung].least, self.ladder[rung].widest)[bound] if quota is None else quota

    def _count_capacities(self) -> tuple[list[int], list[int]]:
        """Of what is wanted, at least and at most, what can still come from below."""
        least = self._wanted()
        most = [max(pair) for pair in zip(self._bounds(MOST), least, strict=True)]
        return self._can_come(least), self._can_come(most)

    def _can_come(self, wanted: list[int]) -> list[int]:
        capacities = [self.members[0]]
        for rung in range(1, len(wanted)):
            missing = capacities[rung - 1] - len(self.ranks[rung - 1])
            can_come = self.members[rung] + len(self.candidates[rung - 1]) + missing
            capacities.append(min(wanted[rung], can_come))
        return capacities

    # ---- what is known of a rung ----

    def missing(self, rung: int, bound: int = MOST) -> int:
        """Entries this rung still waits for, at least or at most."""
        return self.capacity(rung, bound) - len(self.ranks[rung])

    def room(self, rung: int, bound: int) -> int:
        """Capacity not yet given away, at least or at most."""
        return self.capacity(rung, bound) - self.members[rung]

    def certain(self, rung: int) -> int | None:
        """The trial of this rung that is inside the next one whatever is still missing here."""
        candidates = self.candidates[rung]
        if rung == self.top or not candidates or self.missing(rung) >= self.room(rung + 1, LEAST):
            return None
        trial: int = candidates[0][1]
        return trial

    def outside(self, rung: int) -> int | None:
        """An open trial of this rung with as many better ones before it as the next one has room for."""
        if rung == self.top or not self.open[rung]:
            return None
        worst = self.open[rung][-1]
        better = self.candidates[rung].bisect_left(worst)
        return worst[1] if better >= self.room(rung + 1, MOST) else None

    def likely(self, trial: int, rung: int) -> bool:
        """Whether a trial looks like one that reaches `rung`, with enough entries beside its last."""
        last = self.last_entry(trial)
        entries = len(self.ranks[last])
        enough = max(LIKELY_ENTRIES, LIKELY_SHARE * self.capacity(last))
        room = min(self.capacity(rung), max(self.ladder[rung].most, self.quota(rung) or 0))
        return entries >= enough and self.rank(trial, last) <= room

    def last_entry(self, trial: int) -> int:
        """The highest rung where a trial has an entry; -1 where it has none."""
        level = self.level[trial]
        return level if (trial, level) in self.scores else level - 1

    def rank(self, trial: int, rung: int) -> int:
        """1 is the best of the rung's entries."""
        return int(self.ranks[rung].bisect_left((-self.scores[trial, rung], trial))) + 1

    # ---- what happens to a trial ----

    def enter(self, trial: int, score: float, fall: float = 0.0) -> None:
        """A member of a rung has its entry there. fall: `FoldRuns.mean_fall` up to it."""
        self._capacities = None
        rung = self.level[trial]
        self.scores[trial, rung], self.falls[trial, rung] = score, fall
        for ranked in (self.ranks, self.candidates, self.open):
            ranked[rung].add((-score, trial))

    def promote(self, trial: int) -> None:
        """Moves a trial up a rung, also one that had been pruned."""
        self._capacities = None
        rung = self.level[trial]
        item = (-self.scores[trial, rung], trial)
        self.candidates[rung].discard(item)
        self.open[rung].discard(item)
        self.level[trial] = rung + 1
        self.members[rung + 1] += 1

    def prune(self, trial: int) -> None:
        rung = self.level[trial]
        self.open[rung].discard((-self.scores[trial, rung], trial))

    def fail(self, trial: int) -> None:
        self._capacities = None
        self.failed.add(trial)
        rung = self.level[trial]
        if (trial, rung) in self.scores:
            item = (-self.scores[trial, rung], trial)
            self.candidates[rung].discard(item)
            self.open[rung].discard(item)
        else:
            self.members[rung] -= 1

    def reopen(self, trial: int) -> None:
        """A trial that failed is where it was. Where its place went to another, there is one more for it as
        long as its rank is inside the quota."""
        self._capacities = None
        self.failed.discard(trial)
        self.reopened.add(trial)
        rung = self.level[trial]
        if (trial, rung) in self.scores:
            item = (-self.scores[trial, rung], trial)
            self.candidates[rung].add(item)
            self.open[rung].add(item)
        else:
            self.members[rung] += 1
