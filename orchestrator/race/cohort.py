"""Trials that climb one ladder together: who is a member of which rung, who has an entry, who goes on.

A trial's level is the highest rung it is a member of; it is ranked there once it has an entry. A trial that
fails with an entry keeps it (the comparison was made); one that fails without an entry leaves a vacancy. The
places of a rung are its quota, more where vacancies above it could not be filled otherwise, fewer where not
so many trials can come.
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
        self._places: list[int] | None = None  # counted again after each change

    # ---- what is known of a rung ----

    def places(self, rung: int) -> int:
        """How many trials this rung will have in the end."""
        if self._places is None:
            self._places = self._count_places(self._wanted())
        return self._places[rung]

    def _wanted(self) -> list[int]:
        """The quotas, raised where trials failed higher up and those still here cannot fill their places."""
        wanted = [rung.quota for rung in self.ladder]
        for rung in range(self.top - 1, -1, -1):
            vacant = max(wanted[rung + 1] - self.members[rung + 1], 0)
            to_come = self.members[rung] - len(self.ranks[rung])
            short = vacant - len(self.candidates[rung]) - to_come
            wanted[rung] = max(wanted[rung], self.members[rung] + short)
        return wanted

    def _count_places(self, wanted: list[int]) -> list[int]:
        """Of what is wanted, what can still come from below."""
        places = [self.members[0]]
        for rung in range(1, len(wanted)):
            missing = places[rung - 1] - len(self.ranks[rung - 1])
            can_come = self.members[rung] + len(self.candidates[rung - 1]) + missing
            places.append(min(wanted[rung], can_come))
        return places

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
        self._places = None
        rung = self.level[trial]
        self.scores[trial, rung] = score
        for ranked in (self.ranks, self.candidates, self.open):
            insort(ranked[rung], (-score, trial))

    def promote(self, trial: int) -> bool:
        """Moves a trial up a rung; True when it had been pruned."""
        self._places = None
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
        self._places = None
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
