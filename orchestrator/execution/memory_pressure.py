"""Whose fault a death for memory is, and how many fold runs a node has memory for.

Pure: numbers in, decisions out. A fold run that ends because a neighbour took the memory has lost nothing but
time: it costs the trial no try, fewer run on that node until there is room, and one line says who holds it.
One that was alone on the node and took more of what was free than the others did is itself what does not fit:
that is a failure of the trial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

FIRST_GUESS = 2**30
"""Bytes of a fold run before one was measured: Python, torch and a small network."""
GPU_GUESS = 2 * 2**30
"""Bytes of a GPU for a fold run before one was seen: CUDA itself and a small network."""
SHARED = 0.9
"""Of a GPU's memory, what is shared out. The rest stays free: for what torch's allocator cannot use of its
blocks, what a measurement missed and what others hold of it in any case."""
FORGETS = 0.98
"""What a size that no running fold run has any more counts for, at each reading."""
AGAIN_S, LONGEST_S = 15.0, 600.0
"""Seconds until one fold run is tried alone though there seems to be no room; doubled each time, up to."""
TRUSTED_DEATHS = 2
"""In a row; after more of them what seems to be room is not believed before the next try is due."""
CALMER = 1.1
"""Room that is asked for where there was none."""
TRUSTED_LOOKS = 5
"""At fold runs that have ended an epoch, until less than was expected is believed: peaks are short."""
GIB = 2**30


@dataclass(frozen=True)
class Death:
    """A fold run whose process ended, most likely for memory. Sizes in bytes."""

    own: int | None  # what it held, where that is known
    room_at_best: int | None  # the most that fold runs could hold together there since the search began
    alone: bool  # whether no other fold run of ours was on the node
    limit: int | None = None  # of the node; known where `room_at_best` is


def is_own_fault(death: Death) -> bool:
    """Whether the fold run itself is what does not fit.

    It took `own` of what there had been for it, and others the rest since then: the larger part is to blame.
    Where there never was room for one of common size, it is compared with all that others held.
    """
    if not death.alone:
        return False  # together they were too many; alone it will show
    if death.room_at_best is None or death.limit is None:
        return True  # nothing speaks for a neighbour
    if death.room_at_best <= 0:
        return False  # it was full before
    if death.own is None:
        return True
    if max(death.own, death.room_at_best) < FIRST_GUESS:
        return death.own >= death.limit - death.room_at_best
    return death.own >= death.room_at_best - death.own


def gpu_is_crowded(own: int, total: int, free: int, siblings: int) -> bool:
    """Whether a GPU was too small because of processes that are not ours.

    own: bytes of it that the fold run held; siblings: fold runs of ours that may be beside it. With one of
    them that cannot be told, for they differ in size: the next try has a larger share.
    """
    return siblings == 0 and held_by_others(own, total, free) > own


def held_by_others(own: int, total: int, free: int) -> int:
    """Bytes of a GPU."""
    return total - free - own


@dataclass(frozen=True)
class GpuUse:
    """Memory of a GPU, in bytes."""

    total: int
    used: int  # by all
    ours: tuple[int, ...] = ()  # by each of our processes


def gpu_slots_that_fit(gpus: Sequence[GpuUse], per_gpu: int, each: float, running: int) -> int | None:
    """Fold runs for which others leave room, never below one; None where that cannot be told.

    per_gpu: slots on one GPU; each: GPUs of a fold run; running: how many of ours run. What one needs is the
    largest of ours, before any runs `GPU_GUESS`, and never more than its share: larger ones take several.
    """
    ours = [size for gpu in gpus for size in gpu.ours]
    if not gpus or (running and not ours):
        return None  # a container may hide whose processes they are
    need = max(ours, default=GPU_GUESS)
    fits = sum(_left_on(gpu, per_gpu, need) for gpu in gpus)
    return max(1, int(fits / max(each, 1)))


def _left_on(gpu: GpuUse, per_gpu: int, need: int) -> int:
    room = gpu.total - gpu.used + sum(gpu.ours)
    return max(0, min(per_gpu, int(room / min(need, gpu.total * SHARED / per_gpu))))


@dataclass(frozen=True)
class Expected:
    """What fold runs of ours will hold at their peak, as measured before they began. Bytes."""

    running: tuple[float, ...]  # of each that runs
    coming: float  # of the one that is to start
    settled: bool = False  # every running one has ended an epoch: what they hold says what they need


@dataclass
class _Correction:
    """What fold runs hold, in units of what was expected of them."""

    factor: float = 1.0
    _seen: float = 0.0
    _looks: int = 0

    def learn(self, held: float, expected: float, settled: bool) -> None:
        """More than was expected counts at once, less only after a while."""
        seen = held / expected
        if settled:
            self._seen, self._looks = max(seen, FORGETS * self._seen), self._looks + 1
        if seen > self.factor:
            self.factor = self._seen = seen
        elif self._looks >= TRUSTED_LOOKS:
            self.factor = self._seen


@dataclass
class NodePressure:
    """What is known of one node's memory, and whether one more fold run may start there."""

    need: float = FIRST_GUESS  # bytes of a fold run
    room: int | None = None  # bytes for all of ours together; None: nobody could look
    best_room: int | None = None  # the most that `room` ever was
    is_full: bool = False  # as of the last answer
    _measured: bool = False
    _deaths: int = 0  # in a row, for memory that others took
    _again_at: float = -math.inf
    _blind: bool = False
    _held: tuple[int, ...] = ()  # bytes of each process of ours
    _is_new: bool = False  # nothing was learned of `_held` yet
    _correction: _Correction = field(default_factory=_Correction)

    def look(self, room: int, ours: Sequence[int], is_new: bool = True) -> None:
        """ours: bytes of each process of ours. is_new: whether it is another reading than the last."""
        self.room, self.best_room = room, max(room, self.best_room or 0)
        self._held, self._is_new = tuple(ours), self._is_new or is_new
        if ours:
            largest = float(max(ours))
            self.need = max(largest, FORGETS * self.need) if self._measured else largest
            self._measured = True

    def crowded(self, now: float, by_gpu: bool = False) -> None:
        """A fold run ended for memory that others took. now: seconds; by_gpu: what it lacked was a GPU's, of
        which nobody sees when there is room again."""
        self._blind = by_gpu
        self._again_at = now + min(AGAIN_S * 2**self._deaths, LONGEST_S)
        self._deaths += 1

    def reported(self) -> None:
        """A fold run ended an epoch here."""
        self._deaths, self._blind = 0, False

    def has_room(self, running: int, now: float, expected: Expected | None = None) -> bool:
        """Whether one more fold run may start beside `running` others. Alone it is tried now and then though
        there seems to be none, never without end in a row. expected: where it was measured beforehand."""
        if expected is not None:
            self._learn(expected)
        self.is_full = not self._has_room(running, now, self.demand(running, expected))
        return not self.is_full

    def demand(self, running: int, expected: Expected | None = None) -> float:
        """Bytes that `running` fold runs and one more will hold together."""
        if expected is None:
            return (running + 1) * self.need
        coming = self._correction.factor * expected.coming
        grown = self._correction.factor * sum(expected.running) + coming
        has_idle = len(self._held) > running  # the coming one takes over a process that holds memory already
        return max(grown, sum(self._held) + (0.0 if has_idle else coming))

    def _learn(self, expected: Expected) -> None:
        if self._is_new and expected.running and len(self._held) == len(expected.running):
            self._is_new = False
            self._correction.learn(sum(self._held), sum(expected.running), expected.settled)

    def _has_room(self, running: int, now: float, demand: float) -> bool:
        waited = now >= self._again_at
        if self.room is None or (not waited and (self._blind or self._deaths > TRUSTED_DEATHS)):
            return waited
        margin = CALMER if self.is_full else 1.0  # else slots would come and go with every reading
        return demand * margin <= self.room or (running == 0 and waited)


def holders_text(limit: int, used: int, holders: Sequence[tuple[str, str, int]]) -> str:
    """Who has the memory. holders: name, owner and bytes of processes that are not ours."""
    names = ", ".join(f"{name} of {owner} {gb(size)}" for name, owner, size in holders)
    return f"{gb(used)} of {gb(limit)} are in use; largest of others: {names or 'none that we can see'}"


def gb(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
