"""Trials that climb one ladder together: who is a member of which rung, who has an entry, who goes on.

A trial's level is the highest rung it is a member of; it is ranked there once it has an entry. A trial that
fails with an entry keeps it (the comparison was made); one that fails without an entry leaves a vacancy. The
places of a rung are its quota, more where vacancies above it could not be filled otherwise, fewer where not
so many trials can come. Until all entries of the rung below are in, a quota is only known to lie between the
rung's bounds.
"""

from __future__ import annotations

from sortedcontainers import SortedList

from orchestrator.race.ladder import Ladder

Ranked = tuple[float, int]
"""(-score, trial): sorts best first, the earlier trial first among equals."""

LEAST, MOST = 0, 1


class Cohort:
    """Counts and ranks of the ladder's bottom quota of trials, from number `first` on. Rungs from 0."""

    def __init__(self, first: int, ladder: Ladder) -> None:
        self.trials = range(first, first + ladder[0].quota)
        self.top = len(ladder) - 1
        self.level = dict.fromkeys(self.trials, 0)
        self.scores: dict[tuple[int, int], float] = {}  # (trial, rung) -> what is ranked, larger is better
        self.ranks: list[SortedList] = [SortedList() for _ in ladder]  # every entry of a rung
        self.candidates: list[SortedList] = [SortedList() for _ in ladder]  # neither promoted nor failed
        self.open: list[SortedList] = [SortedList() for _ in ladder]  # nor pruned
        self.members = [len(self.trials)] + [0] * self.top
        self.failed: set[int] = set()
        self.out = 0  # trials complete, pruned or failed
        self._quotas: list[int | None] = [None] * len(ladder)  # set ones
        self._places: tuple[list[int], list[int]] | None = None  # counted again after each change
        self.ladder = ladder

    # ---- quotas and places ----

    @property
    def done(self) -> bool:
        return self.out == len(self.trials)

    def set_ladder(self, ladder: Ladder) -> None:
        """Other quotas for the same rungs; those set already stay."""
        self.ladder, self._places = ladder, None

    def quota(self, rung: int) -> int | None:
        """None: not known yet."""
        bounds = self.ladder[rung].least, self.ladder[rung].most
        return bounds[0] if bounds[0] == bounds[1] else self._quotas[rung]

    def quota_told(self, rung: int) -> str:
        quota, step = self.quota(rung), self.ladder[rung]
        return f"{step.least} to {step.most}" if quota is None else f"{quota}"

    def set_quota(self, rung: int, quota: int) -> None:
        self._quotas[rung], self._places = quota, None

    def forget_quotas(self) -> None:
        """They are settled again: what they were measured by has changed."""
        self._quotas, self._places = [None] * len(self.ladder), None

    def unset(self) -> int | None:
        """The lowest rung whose quota is open although all entries below it are in; None: there is none."""
        for rung in range(1, self.top + 1):
            if self.quota(rung) is None:
                return rung if self.missing(rung - 1, LEAST) <= 0 else None
        return None

    def places(self, rung: int, bound: int = MOST) -> int:
        """How many trials this rung will have in the end, at least or at most."""
        if self._places is None:
            self._places = self._count_places()
        return self._places[bound][rung]

    def _wanted(self) -> list[int]:
        """The least quotas, raised where trials failed higher up and those here cannot fill their places."""
        wanted = [self._bound(rung, LEAST) for rung in range(self.top + 1)]
        for rung in range(self.top - 1, -1, -1):
            vacant = max(wanted[rung + 1] - self.members[rung + 1], 0)
            to_come = self.members[rung] - len(self.ranks[rung])
            short = vacant - len(self.candidates[rung]) - to_come
            wanted[rung] = max(wanted[rung], self.members[rung] + short)
        return wanted

    def _bound(self, rung: int, bound: int) -> int:
        quota = self.quota(rung)
        return (self.ladder[rung].least, self.ladder[rung].most)[bound] if quota is None else quota

    def _count_places(self) -> tuple[list[int], list[int]]:
        """Of what is wanted, at least and at most, what can still come from below."""
        least = self._wanted()
        most = [max(self._bound(rung, MOST), wanted) for rung, wanted in enumerate(least)]
        return self._can_come(least), self._can_come(most)

    def _can_come(self, wanted: list[int]) -> list[int]:
        places = [self.members[0]]
        for rung in range(1, len(wanted)):
            missing = places[rung - 1] - len(self.ranks[rung - 1])
            can_come = self.members[rung] + len(self.candidates[rung - 1]) + missing
            places.append(min(wanted[rung], can_come))
        return places

    # ---- what is known of a rung ----

    def missing(self, rung: int, bound: int = MOST) -> int:
        """Entries this rung still waits for, at least or at most."""
        return self.places(rung, bound) - len(self.ranks[rung])

    def free(self, rung: int, bound: int) -> int:
        """Places not yet given away, at least or at most."""
        return self.places(rung, bound) - self.members[rung]

    def certain(self, rung: int) -> int | None:
        """The trial of this rung that is inside the next one whatever is still missing here."""
        candidates = self.candidates[rung]
        if rung == self.top or not candidates or self.missing(rung) >= self.free(rung + 1, LEAST):
            return None
        trial: int = candidates[0][1]
        return trial

    def outside(self, rung: int) -> int | None:
        """An open trial of this rung with as many better ones before it as the next one has places left."""
        if rung == self.top or not self.open[rung]:
            return None
        worst = self.open[rung][-1]
        place = self.candidates[rung].bisect_left(worst)
        return worst[1] if place >= self.free(rung + 1, MOST) else None

    def likely(self, trial: int, rung: int) -> bool:
        """Whether a trial looks like one that reaches `rung`, 30% of the entries beside its last being in."""
        last = self.last_entry(trial)
        entries = len(self.ranks[last])
        return entries >= max(3, 0.3 * self.places(last)) and self.rank(trial, last) <= self.places(rung)

    def last_entry(self, trial: int) -> int:
        """The highest rung where a trial has an entry; -1: none."""
        level = self.level[trial]
        return level if (trial, level) in self.scores else level - 1

    def rank(self, trial: int, rung: int) -> int:
        """1 is the best of the rung's entries."""
        return int(self.ranks[rung].bisect_left((-self.scores[trial, rung], trial))) + 1

    # ---- what happens to a trial ----

    def enter(self, trial: int, score: float) -> None:
        """A member of a rung has its entry there."""
        self._places = None
        rung = self.level[trial]
        self.scores[trial, rung] = score
        for ranked in (self.ranks, self.candidates, self.open):
            ranked[rung].add((-score, trial))

    def promote(self, trial: int) -> bool:
        """Moves a trial up a rung; True when it had been pruned."""
        self._places = None
        rung = self.level[trial]
        item = (-self.scores[trial, rung], trial)
        self.candidates[rung].discard(item)
        pruned = item not in self.open[rung]
        self.open[rung].discard(item)
        self.level[trial] = rung + 1
        self.members[rung + 1] += 1
        return pruned

    def prune(self, trial: int) -> None:
        rung = self.level[trial]
        self.open[rung].discard((-self.scores[trial, rung], trial))

    def fail(self, trial: int) -> None:
        self._places = None
        self.failed.add(trial)
        rung = self.level[trial]
        if (trial, rung) in self.scores:
            item = (-self.scores[trial, rung], trial)
            self.candidates[rung].discard(item)
            self.open[rung].discard(item)
        else:
            self.members[rung] -= 1
