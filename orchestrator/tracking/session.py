"""A study is sent to its trackers while a command works on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import InputError
from orchestrator.progress import progress_bar
from orchestrator.tracking.destinations import Destinations, destinations_of
from orchestrator.tracking.known_destinations import known_in, refusal, unknown_in
from orchestrator.tracking.tracker import Tracker


@contextlib.contextmanager
def mirrored(
    study: Path, to: Destinations, say: Announce, conclude: Announce | None = None, timeout_s: float = 10.0
) -> Iterator[None]:
    """Sends the study to the trackers that were named. conclude: takes what could not be sent (None: `say`);
    timeout_s: for what is left at the end."""
    if not to:
        yield
        return
    tracker = Tracker.start(study, to)
    try:
        for note in tracker.notes:
            say(note)
        yield
    finally:
        with progress_bar("sending to trackers"):
            left = tracker.stop(timeout_s)
        if left:
            (conclude or say)(left)


@contextlib.contextmanager
def mirrored_as_before(
    study: Path, say: Announce, timeout_s: float = 30.0, trust: bool = False
) -> Iterator[None]:
    """As `mirrored`, to where the study was sent before; what is wrong with that is said and no more.

    trust: also to places that no command of this user named.
    """
    with mirrored(study, _believed(study, say, trust), say, timeout_s=timeout_s):
        yield


def _believed(study: Path, say: Announce, trust: bool) -> Destinations:
    try:
        to = destinations_of(study)
    except (InputError, OSError) as error:
        say(f"tracking: {error}")
        return Destinations()
    if trust:
        return to
    if strange := unknown_in(to):
        say(f"tracking: {refusal(study, strange)}")
    return known_in(to)
