"""A race as a study's journal left it, and whether the journal's decisions are those of the race."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.errors import StudyError
from orchestrator.core.events import (
    Closed,
    Decided,
    Decision,
    Event,
    Extended,
    Opened,
    RaceEvent,
    Resumed,
)
from orchestrator.race.contract import Race
from orchestrator.study.study import Study


def replay(race: Race, study: Study) -> str:
    """Shows the race every event of the journal that was meant for it. Returns a note for the user where the
    journal says that the race decided otherwise than it does now; "" where it does not.

    Raises StudyError for an event that the race cannot have come to.
    """
    note = ""
    for line, event, noted, is_last in _with_decisions(study.events):
        try:
            decided = race.apply(event)
        except (ValueError, KeyError, IndexError, AssertionError) as error:
            raise StudyError(
                f"{study.files.journal}:{line}: the race cannot have come to this ({error});\nrestore the "
                f"file from a copy, or cut it there (head -n {line - 1}) and lose what came after"
            ) from error
        if not note and not isinstance(event, Resumed | Extended):  # of these none are noted
            note = _difference(decided, noted, is_last, f"{study.files.journal}:{line}")
    return note


def _with_decisions(events: Sequence[Event]) -> Iterator[tuple[int, RaceEvent, list[Decided], bool]]:
    """Line, event and the decisions noted behind it, and whether it is the last of the journal's events."""
    before: tuple[int, RaceEvent, list[Decided]] | None = None
    for line, event in enumerate(events, start=1):
        if isinstance(event, Decided):
            if before is not None:
                before[2].append(event)
        elif not isinstance(event, Opened | Closed):
            if before is not None:
                yield (*before, False)
            before = line, event, []
    if before is not None:
        yield (*before, True)


def _difference(decided: Sequence[Decision], noted: Sequence[Decided], is_last: bool, line: str) -> str:
    """is_last: the driver may have been killed while it wrote the decisions."""
    mine = [(d.action.value, d.trial, d.fold) for d in decided if d.is_noted]
    theirs = [(item.action, item.trial, item.fold) for item in noted]
    if mine == theirs or (is_last and mine[: len(theirs)] == theirs):
        return ""
    return (
        f"note: {line}: the race decides {_text(mine)} here, and the journal says {_text(theirs)}: something "
        "in the lines up to this one was changed, so scores may not be what they were"
    )


def _text(decisions: Sequence[tuple[str, int, int | None]]) -> str:
    words = [
        f"{action} {trial}" + ("" if fold is None else f" fold {fold}") for action, trial, fold in decisions
    ]
    return ", ".join(words) or "nothing"
