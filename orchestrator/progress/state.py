"""What a study's events amount to on a screen: fed by events, answers with a frame. No clock, no terminal."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from orchestrator.budget import NO_BUDGET, Budget
from orchestrator.core.events import (
    Action,
    Decision,
    EpochEnded,
    Event,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Proposed,
    State,
)
from orchestrator.progress.budget_notices import budget_notice, not_told
from orchestrator.progress.text import clean
from orchestrator.race.contract import TrialStatus

KEPT_DECISIONS = 12
GOES_ON = (Action.CONTINUE,)
ENDS = (Action.PRUNE, Action.COMPLETE, Action.FAIL)


@dataclass(frozen=True)
class Slot:
    """One leg under way. start, end, epoch: epochs of the fold run; since: when its last epoch ended;
    epoch_s: seconds its trial's epochs take, guess_s: the same, else what the last of any trial took (None:
    not known yet)."""

    key: FoldRunKey
    start: int
    end: int
    epoch: int
    speculative: bool
    since: float
    score: float | None = None
    epoch_s: float | None = None
    guess_s: float | None = None

    def part(self, now: float) -> float:
        """How much of the leg is behind it, in [0, 1]; inside an epoch by the time epochs take."""
        inside = 0.0
        if self.guess_s:
            inside = min(max(now - self.since, 0.0) / self.guess_s, 0.95)
        return min((self.epoch - self.start + inside) / max(self.end - self.start, 1), 1.0)


@dataclass(frozen=True)
class DecisionLine:
    """A decision as it is shown."""

    when: float
    action: str
    place: str  # t0003 or t0003-f1; of an order of the budget: what it asks for
    reason: str


@dataclass(frozen=True)
class ProgressFigures:
    """Fold-epochs of the plan, and how fast this driver gets through them. planned: what completing the
    finalists takes at least; chain_s: seconds of the epochs that can only come one after another; goes_on:
    more trials follow until the budget's time is over."""

    spent: int
    planned: int
    done: bool
    per_second: float | None
    at: float
    chain_s: float = 0.0
    budget: Budget = NO_BUDGET
    elapsed_s: float = 0.0  # since the command began
    goes_on: bool = False

    @property
    def part(self) -> float:
        """Of the plan, in [0, 1]. Speculation and retries are not planned, so only a race that is done is
        at 1; one that has spent its plan and goes on stays at 0.99."""
        return 1.0 if self.done else min(self.spent / max(self.planned, 1), 0.99)

    def eta_s(self, now: float) -> float | None:
        """Seconds left by this session's pace; None: nothing to measure by, or the plan is spent."""
        by_budget = math.inf if self.budget.seconds is None else self.budget.seconds - self.elapsed_s
        ends = self.planned  # fold-epochs
        if self.goes_on and 0 < by_budget < math.inf:
            limit = self.budget.fold_epochs
            if limit is None and not self.done:
                return max(by_budget - (now - self.at), 0.0)
            ends = ends if limit is None else limit
        left = ends - self.spent
        if self.done or not self.per_second or left <= 0:
            return None
        took = now - self.at
        whole = max(left / self.per_second, self.chain_s)
        return max((min(whole, by_budget) if by_budget > 0 else whole) - took, 0.0)


@dataclass(frozen=True)
class Frame:
    """All that is drawn; made by the driver's thread for every event, drawn by any.

    asked: what the race said last, at most a few events ago. What grows with the trials is worked out by who
    draws.
    """

    pace: ProgressFigures
    slots: tuple[Slot | None, ...]
    asked: tuple[TrialStatus, ...]
    configs: Mapping[int, Mapping[str, Any]]
    told: tuple[DecisionLine, ...]  # latest last
    failures: Mapping[str, int]
    retries: int
    last_failure: str

    @cached_property
    def statuses(self) -> tuple[TrialStatus, ...]:
        """Best first, in line with the slots."""
        return with_running(self.asked, self.slots)


class Activity:
    """Slots, decisions and failures of this session, from its events. None but a proposal, which copies the
    configurations so far, costs more with more trials."""

    def __init__(self, slots: int, configs: Mapping[int, Mapping[str, Any]]) -> None:
        self.slots: list[Slot | None] = [None] * slots
        self._places: dict[FoldRunKey, int] = {}  # of the slots that are taken
        self._idle = list(range(slots))  # a heap: the first idle slot is taken first
        self._ends: Counter[int] = Counter()  # end of a leg under way -> how many
        self._left: Counter[int] = Counter()  # its epochs still to come -> how many
        self.configs: Mapping[int, Mapping[str, Any]] = dict(configs)  # never changed: frames share it
        self.told: deque[DecisionLine] = deque(maxlen=KEPT_DECISIONS)
        self.failures: Counter[str] = Counter()
        self.retries = 0
        self.last_failure = ""
        self._epoch_s: dict[int, float] = {}  # trial -> seconds of its last epoch
        self._last_s: float | None = None
        self._epochs, self._seconds = 0, 0.0
        self._score: dict[FoldRunKey, float] = {}

    def observe(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        if isinstance(event, Proposed):
            self.configs = {**self.configs, event.trial: event.config}
        elif isinstance(event, LegStarted):
            self._start(event, now)
        elif isinstance(event, EpochEnded):
            self._epoch(event, decisions, now)
        elif isinstance(event, LegFailed):
            self.failures[event.failure] += 1
            key = FoldRunKey(event.trial, event.fold)
            self.last_failure = f"{key}: {clean(event.error)}"
            self._free(key)
        self._tell(event, decisions, now)

    @property
    def running(self) -> list[Slot]:
        return [slot for slot in self.slots if slot is not None]

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self._places)

    @property
    def mean_s(self) -> float:
        """Seconds an epoch takes on the average; 0: not known yet."""
        return self._seconds / max(self._epochs, 1)

    def chain(self, max_t: int, waiting: bool) -> int:
        """Epochs that can only come one after another: of the longest leg, or of the finalists' coming ones.

        waiting: a leg waits for a slot.
        """
        at_last = any(end >= max_t for end in self._ends) and not waiting
        return max(self._left) if at_last else max_t

    def _start(self, event: LegStarted, now: float) -> None:
        key = event.leg.key
        epoch_s = self._epoch_s.get(key.trial)
        slot = Slot(
            key, event.start, event.end, event.start, event.speculative, now,
            self._score.get(key), epoch_s, epoch_s or self._last_s,
        )  # fmt: skip
        place = self._places.get(key)
        if place is None and self._idle:
            place = heapq.heappop(self._idle)
        if place is None:  # more than was said; shown rather than lost
            place = len(self.slots)
            self.slots.append(None)
        self._put(place, slot)

    def _epoch(self, event: EpochEnded, decisions: Sequence[Decision], now: float) -> None:
        key = FoldRunKey(event.trial, event.fold)
        seconds = event.seconds or None
        self._score[key] = event.score
        if seconds is not None:
            self._epoch_s[key.trial] = self._last_s = seconds
            self._epochs, self._seconds = self._epochs + 1, self._seconds + seconds
        if leaves_slot(key, decisions):
            self._free(key)
            return
        place = self._places.get(key)
        slot = None if place is None else self.slots[place]
        if place is not None and slot is not None:
            epoch_s, epoch, score = self._epoch_s.get(key.trial), event.epoch, event.score
            self._put(
                place, replace(slot, epoch=epoch, score=score, epoch_s=epoch_s, guess_s=epoch_s, since=now)
            )

    def _free(self, key: FoldRunKey) -> None:
        place = self._places.get(key)
        if place is not None:
            self._put(place, None)
            heapq.heappush(self._idle, place)

    def _put(self, place: int, slot: Slot | None) -> None:
        before = self.slots[place]
        if before is not None:
            del self._places[before.key]
            self._count(before, -1)
        if slot is not None:
            self._places[slot.key] = place
            self._count(slot, 1)
        self.slots[place] = slot

    def _count(self, slot: Slot, by: int) -> None:
        for counter, value in ((self._ends, slot.end), (self._left, slot.end - slot.epoch)):
            counter[value] += by
            if not counter[value]:
                del counter[value]

    def _tell(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        order = budget_notice(event, decisions)
        if order is not None:
            self.told.append(DecisionLine(now, order.word, order.place, order.reason))
        ended = {item.trial for item in decisions if item.action in ENDS}
        for item in not_told(event, decisions):
            self.retries += item.action is Action.RETRY
            said = item.action is Action.STOP and item.trial in ended  # its trial's line says why
            if item.action not in GOES_ON and not said:
                self.told.append(DecisionLine(now, item.action, place_of(item), item.reason))


def leaves_slot(key: FoldRunKey, decisions: Sequence[Decision]) -> bool:
    """Whether the fold run whose epoch ended gives its slot away: the last decision on it says so."""
    own = [item.action for item in decisions if (item.trial, item.fold) == (key.trial, key.fold)]
    return bool(own) and own[-1] not in GOES_ON


def place_of(decision: Decision) -> str:
    if decision.fold is None:
        return f"t{decision.trial:04d}"
    return str(FoldRunKey(decision.trial, decision.fold))


def with_running(statuses: Iterable[TrialStatus], slots: Iterable[Slot | None]) -> tuple[TrialStatus, ...]:
    """Statuses brought in line with the slots: they are asked for less often than legs start."""
    running = {slot.key.trial for slot in slots if slot is not None}
    idle = (State.WAITING, State.PARKED)
    return tuple(
        replace(item, state=State.RUNNING) if item.trial in running and item.state in idle else item
        for item in statuses
    )
