"""A study's events for a program, in place of a picture for a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from orchestrator.core.events import Decision, Event


class EventListener:
    """Hands every event to `call`, in the driver's thread and after the journal has it; shows nothing.

    What `call` raises ends the search; the study can be resumed.
    """

    def __init__(self, call: Callable[[Event], object] | None = None) -> None:
        self._call = call

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        if self._call is not None:
            self._call(event)

    def __enter__(self) -> EventListener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing was begun."""
