"""How long a fold-epoch takes here, measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from orchestrator.core.events import EpochEnded, Event, LegStarted


class EpochSpeed:
    """How long a fold-epoch takes, from this session's events. elapsed: seconds since the command began."""

    def __init__(self, slots: int, elapsed: Callable[[], float]) -> None:
        self._slots, self.elapsed = slots, elapsed
        self._epochs: Counter[int] = Counter()  # trial -> epochs ended
        self._seconds: dict[int, float] = defaultdict(float)  # trial -> what they took
        self._since: float | None = None  # seconds (elapsed) when the present number of slots began
        self._slot_seconds = 0.0  # slots x seconds until then

    def use_slots(self, slots: int) -> None:
        """So many from now on."""
        if self._since is not None:
            self._slot_seconds, self._since = self._all_slot_seconds(self._since), self.elapsed()
        self._slots = slots

    def _all_slot_seconds(self, since: float) -> float:
        return self._slot_seconds + (self.elapsed() - since) * self._slots

    def add(self, event: Event) -> None:
        if isinstance(event, LegStarted) and self._since is None:
            self._since = self.elapsed()
        elif isinstance(event, EpochEnded):
            self._epochs[event.trial] += 1
            self._seconds[event.trial] += event.seconds

    def knows(self, until: float) -> bool:
        """Whether there is enough to go by: the first epochs are slow, and a race that is cut stays cut."""
        epochs = self._epochs.total()
        return epochs >= 2 * self._slots or (epochs > 0 and self.elapsed() >= until / 2)

    def epoch_s(self, trials: Collection[int] = ()) -> float:
        """Seconds a slot takes for a fold-epoch of these trials (of all where none of them ran): what epochs
        took, and what the clock saw slots wait beside. 0: nothing is known yet."""
        epochs, seconds = self._epochs.total(), sum(self._seconds.values())
        if not epochs or self._since is None:
            return 0.0
        by_clock = self._all_slot_seconds(self._since) / (epochs + self._slots / 2)
        waiting = max(by_clock - seconds / epochs, 0.0)
        ran = [trial for trial in trials if self._epochs[trial]]
        means = [self._seconds[trial] / self._epochs[trial] for trial in ran] or [seconds / epochs]
        return sum(means) / len(means) + waiting

    def seconds_for(self, fold_epochs: int, chain: int, trials: Collection[int] = ()) -> float:
        """At most, in any order, with up to `chain` epochs one after another (R. L. Graham, 1969)."""
        longest, slots = min(chain, fold_epochs), max(self._slots, 1)
        return self.epoch_s(trials) * (fold_epochs / slots + longest * (1 - 1 / slots))
