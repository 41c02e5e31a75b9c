"""How long a fold-epoch takes here, measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from orchestrator.core.events import EpochEnded, Event, FoldRunKey, LegFailed, LegStarted

Running = Collection[FoldRunKey]


class EpochSpeed:
    """How long a fold-epoch takes, from this session's events. elapsed: seconds since the command began.

    What epochs took, and what slots waited beside: loading a state, a server that is slow to answer. What a
    slot takes to its first epoch's end (a process that starts, a server that has just come, a GPU that tries
    its algorithms) is paid once: it is foretold for no other epoch as soon as there are others.
    """

    def __init__(self, slots: int, elapsed: Callable[[], float]) -> None:
        self._slots, self.elapsed = slots, elapsed
        self._epochs: Counter[int] = Counter()  # trial -> epochs ended, but for the first of each slot
        self._seconds: dict[int, float] = defaultdict(float)  # trial -> what they took
        self._since: float | None = None  # seconds (elapsed) when the present number of slots began
        self._slot_seconds = 0.0  # slots x seconds until then
        self._used = 0  # slots that have started
        self._starting: dict[FoldRunKey, float] = {}  # the first fold run of a slot -> since when (elapsed)
        self._paid_once = 0.0  # seconds of slots to the end of their first epoch
        self._first: list[float] = []  # seconds that those epochs took

    def use_slots(self, slots: int) -> None:
        """So many from now on."""
        if self._since is not None:
            self._slot_seconds, self._since = self._all_slot_seconds(self._since), self.elapsed()
        self._slots = slots
        self._used = min(self._used, slots)  # one that comes back starts again

    def _all_slot_seconds(self, since: float) -> float:
        return self._slot_seconds + (self.elapsed() - since) * self._slots

    # ---- what happens ----

    def add(self, event: Event, running: Running = ()) -> None:
        """running: fold runs under way as it happens."""
        if isinstance(event, LegStarted):
            self._start(FoldRunKey(event.trial, event.fold), running)
        elif isinstance(event, EpochEnded):
            if self._paid(FoldRunKey(event.trial, event.fold)):
                self._first.append(event.seconds)
            else:
                self._epochs[event.trial] += 1
                self._seconds[event.trial] += event.seconds
        elif isinstance(event, LegFailed):
            self._paid(FoldRunKey(event.trial, event.fold))
            self._used = max(self._used - 1, 0)  # its process may have to start again

    def _start(self, key: FoldRunKey, running: Running) -> None:
        """More fold runs at once than ever before: this one's slot has run nothing yet."""
        if self._since is None:
            self._since = self.elapsed()
        at_once = len({*running, key})
        if at_once > self._used:
            self._used, self._starting[key] = at_once, self.elapsed()

    def _paid(self, key: FoldRunKey) -> bool:
        """Whether this fold run was the first of its slot; it has started now."""
        since = self._starting.pop(key, None)
        self._paid_once += 0.0 if since is None else self.elapsed() - since
        return since is not None

    # ---- what is foretold ----

    def knows(self, until: float) -> bool:
        """Whether there is enough to go by: the first epochs are slow, and a race that is cut stays cut."""
        epochs = self._epochs.total() + len(self._first)
        return epochs >= 2 * self._slots or (epochs > 0 and self.elapsed() >= until / 2)

    def epoch_s(self, trials: Collection[int] = ()) -> float:
        """Seconds a slot takes for a fold-epoch of these trials (of all where none of them ran): what epochs
        took, and what the clock saw slots wait beside. 0: nothing is known yet."""
        epochs, seconds = self._epochs.total(), sum(self._seconds.values())
        if not epochs or self._since is None:
            return sum(self._first) / len(self._first) if self._first else 0.0
        under_way = max(self._slots - len(self._starting), 0) / 2
        by_clock = (self._all_slot_seconds(self._since) - self._once()) / (epochs + under_way)
        waiting = max(by_clock - seconds / epochs, 0.0)
        ran = [trial for trial in trials if self._epochs[trial]]
        means = [self._seconds[trial] / self._epochs[trial] for trial in ran] or [seconds / epochs]
        return sum(means) / len(means) + waiting

    def _once(self) -> float:
        """Seconds that slots have taken to the end of their first epoch so far."""
        return self._paid_once + sum(self.elapsed() - since for since in self._starting.values())

    def seconds_for(self, fold_epochs: int, chain: int, trials: Collection[int] = ()) -> float:
        """At most, in any order, with up to `chain` epochs one after another (R. L. Graham, 1969)."""
        longest, slots = min(chain, fold_epochs), max(self._slots, 1)
        return self.epoch_s(trials) * (fold_epochs / slots + longest * (1 - 1 / slots))
