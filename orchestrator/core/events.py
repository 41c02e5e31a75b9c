"""Records that travel between rooms: legs, events, decisions, and the contract of a trainable.

Events are the lines of the journal. `to_json` and `from_json` are exact inverses, so that a race
rebuilt from the journal is the race that wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from orchestrator.core.typed_fields import check_fields


class State(StrEnum):
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    PARKED = "PARKED"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True, order=True)
class FoldRunKey:
    """One trial on one fold (both from 0): what Ray schedules and what owns a checkpoint."""

    trial: int
    fold: int

    def __str__(self) -> str:
        return f"t{self.trial:04d}-f{self.fold}"


@dataclass(frozen=True)
class Leg:
    """A stretch of one fold run: from `start` epochs already done up to `end` epochs done."""

    trial: int
    fold: int
    start: int
    end: int
    speculative: bool = False
    reason: str = ""

    @property
    def key(self) -> FoldRunKey:
        return FoldRunKey(self.trial, self.fold)


class Action(StrEnum):
    CONTINUE = "CONTINUE"  # this fold run goes on: inside its leg, or with the next leg in `Decision.leg`
    PARK = "PARK"  # this fold run is saved and gives its slot away
    STOP = "STOP"  # this fold run ends and gives its slot away; its trial is out, failed or complete
    PROMOTE = "PROMOTE"  # a trial is certain to be inside a rung's quota
    PRUNE = "PRUNE"  # a trial is out of the race; its running fold runs stop at their next report
    COMPLETE = "COMPLETE"  # a trial has all folds at full length
    FAIL = "FAIL"  # a trial is out because a fold run failed
    RETRY = "RETRY"  # a failed fold run will be run again from its last stored epoch


@dataclass(frozen=True)
class Decision:
    """What the race answers. CONTINUE, PARK and STOP are for the fold run whose event was observed."""

    action: Action
    trial: int
    reason: str
    fold: int | None = None
    leg: Leg | None = None

    @property
    def is_noted(self) -> bool:
        """Whether it goes into the journal: nobody reads that a fold run goes on inside its leg."""
        return self.action is not Action.CONTINUE or self.leg is not None


def own_decision(key: FoldRunKey, decisions: Sequence[Decision]) -> Decision | None:
    """The last decision on a fold run, which is the one that holds; None where there is none on it."""
    return next(
        (item for item in reversed(decisions) if (item.trial, item.fold) == (key.trial, key.fold)), None
    )


# ---- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proposed:
    """The sampler gave trial number `trial` (0, 1, ...) its configuration."""

    kind: ClassVar[str] = "proposed"
    trial: int
    config: dict[str, Any]


@dataclass(frozen=True)
class LegStarted:
    """A slot took a leg. node: the server it is on, where there are several."""

    kind: ClassVar[str] = "leg_started"
    trial: int
    fold: int
    start: int
    end: int
    speculative: bool = False
    reason: str = ""
    node: str = ""

    @property
    def leg(self) -> Leg:
        return Leg(self.trial, self.fold, self.start, self.end, self.speculative, self.reason)


@dataclass(frozen=True)
class EpochEnded:
    """A fold run has `epoch` epochs done, all of it stored. `score` is this epoch's, not the running best."""

    kind: ClassVar[str] = "epoch_ended"
    trial: int
    fold: int
    epoch: int
    score: float
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 (hex) of what was stored: resume, probabilities, and weights and oof where it was the best
    epoch so far; empty in journals of version 0.2 and before, without probabilities in those of 0.3."""


@dataclass(frozen=True)
class LegFailed:
    """A leg ended by `failure`: exception (its code raised), nan (loss or score not finite), lost (its node
    or its resume state is gone), killed (its process died alone, most often for memory), memory (its share
    of a GPU was too small; from then on it has one to itself) or crowded (it ended for memory that others on
    its machine took; it costs no try). Version 0.3 takes what it does not know for a failure for good.

    `epoch` is the number of epochs stored before the failure.
    """

    kind: ClassVar[str] = "leg_failed"
    trial: int
    fold: int
    epoch: int
    failure: str
    error: str
    traceback: str = ""


@dataclass(frozen=True)
class Resumed:
    """A new driver took over: every leg that was under way is parked at its last reported epoch."""

    kind: ClassVar[str] = "resumed"
    sources: dict[str, str] = field(default_factory=dict)
    """Package -> digest of its code, where that is another than the study began with."""


@dataclass(frozen=True)
class Reopened:
    """A trial that failed is in the race again, where it left (`--retry-failed`).

    epochs: of each fold, the epochs whose stored state was found intact. Versions up to 0.3 do not know this
    line and refuse the journal.
    """

    kind: ClassVar[str] = "reopened"
    trial: int
    epochs: Sequence[int]


@dataclass(frozen=True)
class Extended:
    """The study now has `trials` trials in all; the new ones form a cohort of their own."""

    kind: ClassVar[str] = "extended"
    trials: int


@dataclass(frozen=True)
class Shortened:
    """No trial from number `trials` on will be proposed; none of those had started.

    finalists: as many trials as complete from now on, where time has room for no more (until the race is
    `Extended` or `Widened`); None, and in journals of before 0.4: as many as before.
    """

    kind: ClassVar[str] = "shortened"
    trials: int
    finalists: int | None = None


@dataclass(frozen=True)
class Widened:
    """So many trials complete from now on: a race that had fewer for want of time has more of it now. Those
    that were pruned meanwhile start again. Versions up to 0.3 do not know this line."""

    kind: ClassVar[str] = "widened"
    finalists: int


@dataclass(frozen=True)
class BudgetSpent:
    """What is left of the budget is for the finalists' folds alone: every other trial is out.

    finalists: as many of them go on; None, and in journals of before 0.4: all, and none takes the place of
    one that fails. It may be said again after one with a number: of what that left, time has run out for
    some too, or there are no fold-epochs for another in the place of one that fails.
    """

    kind: ClassVar[str] = "budget_spent"
    reason: str
    finalists: int | None = None


@dataclass(frozen=True)
class Decided:
    """What the race answered, kept for the report; a replay derives it again and ignores this line."""

    kind: ClassVar[str] = "decided"
    action: str
    trial: int
    reason: str
    fold: int | None = None


def decided(decision: Decision) -> Decided:
    """Its line in the journal."""
    return Decided(decision.action.value, decision.trial, decision.reason, decision.fold)


@dataclass(frozen=True)
class Opened:
    """First line of a journal: everything that defines the study, as JSON."""

    kind: ClassVar[str] = "opened"
    header: dict[str, Any]


@dataclass(frozen=True)
class Closed:
    """The driver ended: `outcome` is finished, interrupted or stopped."""

    kind: ClassVar[str] = "closed"
    outcome: str
    reason: str = ""


RaceEvent = (
    Proposed
    | LegStarted
    | EpochEnded
    | LegFailed
    | Resumed
    | Reopened
    | Extended
    | Shortened
    | Widened
    | BudgetSpent
)
Event = RaceEvent | Decided | Opened | Closed
_KINDS: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        *(Proposed, LegStarted, EpochEnded, LegFailed, Resumed, Extended, Shortened, BudgetSpent),
        *(Reopened, Widened, Decided, Opened, Closed),
    )
}


MOST = 1_000_000
"""Trials, folds or epochs: a damaged digit would ask for terabytes."""
_ACTIONS = frozenset(action.value for action in Action)
_COUNTS = frozenset({"trial", "trials", "finalists", "fold", "epoch", "start", "end"})


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object with its kind under "event"."""
    return {"event": event.kind, **vars(event)}  # flat all of them; asdict copies every value, slowly


def from_json(record: Mapping[str, Any]) -> Event:
    """Inverse of `to_json`; ignores the key "time" that the journal adds. Raises KeyError, TypeError, or
    ValueError for a value of another type or range than an event can have."""
    fields = {key: value for key, value in record.items() if key not in ("event", "time")}
    kind = _KINDS[record["event"]]
    check_fields(kind, fields)
    for name in _COUNTS & fields.keys():
        least = int(name == "finalists")
        if fields[name] is not None and not least <= fields[name] <= MOST:
            raise ValueError(f"{name} is {fields[name]}, not between {least} and {MOST}")
    if kind is Decided and fields.get("action") not in _ACTIONS:
        raise ValueError(f"action is {fields.get('action')!r}, none of {', '.join(sorted(_ACTIONS))}")
    event: Event = kind(**fields)
    return event
