"""Trials that climb one ladder together: who is a member of which rung, who has an entry, who goes on.

A trial's level is the highest rung it is a member of; it is ranked there once it has an entry. The places of
a rung are its quota, or as many trials as can still come when failures left fewer. Trials that fail with an
entry keep it (the comparison was made); those that fail without one leave a vacancy.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from orchestrator.race.ladder import Ladder

Ranked = tuple[float, int]
"""(-score, trial): sorts best first, the earlier trial first among equals."""


class Cohort:
    """Counts and ranks of the ladder's bottom quota of trials, from number `first` on. Rungs from 0."""

    def __init__(self, first: int, ladder: Ladder) -> None:
        self.trials = range(first, first + ladder[0].quota)
        self.ladder = ladder
        self.top = len(ladder) - 1
        self.level = dict.fromkeys(self.trials, 0)
        self.scores: dict[tuple[int, int], float] = {}  # (trial, rung) -> mean running best, larger is better
        self.ranks: list[list[Ranked]] = [[] for _ in ladder]  # every entry of a rung
        self.candidates: list[list[Ranked]] = [[] for _ in ladder]  # of them: alive and not yet promoted
        self.open: list[list[Ranked]] = [[] for _ in ladder]  # of them: not pruned
        self.members = [len(self.trials)] + [0] * self.top

    # ---- what is known of a rung ----

    def places(self, rung: int) -> int:
        """How many trials this rung will have in the end."""
        if rung == 0:
            return self.members[0]
        below = len(self.candidates[rung - 1]) + self.missing(rung - 1)
        return min(self.ladder[rung].quota, self.members[rung] + below)

    def missing(self, rung: int) -> int:
        """Entries this rung still waits for."""
        return self.places(rung) - len(self.ranks[rung])

    def free(self, rung: int) -> int:
        """Places not yet given away."""
        return self.places(rung) - self.members[rung]

    def certain(self, rung: int) -> int | None:
        """The trial of this rung that is inside the next one whatever is still missing here."""
        candidates = self.candidates[rung]
        if rung == self.top or not candidates or self.missing(rung) >= self.free(rung + 1):
            return None
        return candidates[0][1]

    def outside(self, rung: int) -> int | None:
        """An open trial of this rung with as many better ones before it as the next one has places left."""
        if rung == self.top or not self.open[rung]:
            return None
        worst = self.open[rung][-1]
        place = bisect_left(self.candidates[rung], worst)
        return worst[1] if place >= self.free(rung + 1) else None

    def hopeful(self, rung: int) -> Iterator[int]:
        """Trials inside the next quota so far, best first, once 30% of the entries (at least 3) are in."""
        entries = len(self.ranks[rung])
        if rung < self.top and entries >= max(3, 0.3 * self.places(rung)):
            yield from (trial for _, trial in self.open[rung])

    def rank(self, trial: int, rung: int) -> int:
        """1 is the best of the rung's entries."""
        return bisect_left(self.ranks[rung], (-self.scores[trial, rung], trial)) + 1

    # ---- what happens to a trial ----

    def enter(self, trial: int, score: float) -> None:
        """A member of a rung has its entry there."""
        rung = self.level[trial]
        self.scores[trial, rung] = score
        for ranked in (self.ranks, self.candidates, self.open):
            insort(ranked[rung], (-score, trial))

    def promote(self, trial: int) -> bool:
        """Moves a trial up a rung; True when it had been pruned."""
        rung = self.level[trial]
        item = (-self.scores[trial, rung], trial)
        _discard(self.candidates[rung], item)
        pruned = not _discard(self.open[rung], item)
        self.level[trial] = rung + 1
        self.members[rung + 1] += 1
        return pruned

    def prune(self, trial: int) -> None:
        rung = self.level[trial]
        _discard(self.open[rung], (-self.scores[trial, rung], trial))

    def fail(self, trial: int) -> None:
        rung = self.level[trial]
        if (trial, rung) in self.scores:
            item = (-self.scores[trial, rung], trial)
            _discard(self.candidates[rung], item)
            _discard(self.open[rung], item)
        else:
            self.members[rung] -= 1


def _discard(ranked: list[Ranked], item: Ranked) -> bool:
    place = bisect_left(ranked, item)
    found = place < len(ranked) and ranked[place] == item
    if found:
        del ranked[place]
    return found
