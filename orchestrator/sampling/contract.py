"""What the driver asks of a sampler."""

from __future__ import annotations

from typing import Any, Protocol

from orchestrator.core.events import Event


class Sampler(Protocol):
    """Which configuration each trial gets."""

    @property
    def limit(self) -> int | None:
        """How many different trials there can be, or None where there is no end."""
        ...

    def propose(self, number: int) -> dict[str, Any]:
        """The configuration of trial `number` (from 0): a function of the seed, the number and the events
        observed so far, so that a sampler shown a journal proposes what the one that wrote it would."""
        ...

    def observe(self, event: Event) -> None:
        """Takes one event, as it was written into the journal."""
        ...
