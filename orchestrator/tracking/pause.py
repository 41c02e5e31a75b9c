"""The rest that a destination gets which could not be reached, so that nothing waits for it all the time."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.core.callbacks import Announce

FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 600.0


class Pause:
    """Twice as long after each failure, until something arrives again. clock: seconds."""

    def __init__(self, whose: str, say: Announce, clock: Callable[[], float]) -> None:
        self._whose, self._say, self._clock = whose, say, clock
        self._seconds = 0.0
        self._until = 0.0

    @property
    def holds(self) -> bool:
        return self._clock() < self._until

    def begin(self, error: str) -> None:
        self._seconds = min(max(2 * self._seconds, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._until = self._clock() + self._seconds
        self._say(f"{self._whose}: cannot send {error}; next try in {self._seconds:.0f} s")

    def end(self) -> None:
        self._seconds = self._until = 0.0
