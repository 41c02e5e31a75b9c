"""What a study's events amount to on a screen: fed by events, answers with a frame. No clock, no terminal."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeGuard

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
    own_decision,
)
from orchestrator.core.failure_causes import cause
from orchestrator.progress.budget_notices import budget_notice, without_noticed
from orchestrator.progress.parameters import Varied
from orchestrator.progress.text import clean
from orchestrator.race.contract import TrialStatus

KEPT_DECISIONS = 12
ENDS = (Action.PRUNE, Action.COMPLETE, Action.FAIL)


@dataclass(frozen=True)
class StudyContext:
    """What a view knows of a study as this session begins."""

    name: str
    metric: str
    mode: str
    max_t: int  # epochs of a finalist's fold run
    slots: int  # fold runs that go on at once
    configs: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # of the trials so far
    resumed: bool = False
    budget: Budget = NO_BUDGET
    finishing: bool = False  # whether the budget was spent in a session before
    goes_on: bool = False  # whether more trials follow while there is time
    folds: int | None = None  # of a complete trial


@dataclass(frozen=True)
class Slot:
    """One leg under way. Its times are None until an epoch has said how long one takes."""

    key: FoldRunKey
    start: int  # epochs done of the fold run where the leg began
    end: int  # epochs done where it will end
    epoch: int  # epochs done now
    speculative: bool
    since: float  # unix seconds when its last epoch ended, or the leg began
    score: float | None = None  # of the last epoch of this fold run
    epoch_s: float | None = None  # seconds of the last epoch of its trial
    guess_s: float | None = None  # the same; until then seconds of the last epoch of any trial
    ready: bool = False  # whether its worker has started

    def part(self, now: float) -> float:
        """How much of the leg is behind it, in [0, 1]; inside an epoch by the time epochs take."""
        inside = 0.0
        if self.guess_s:
            inside = min(max(now - self.since, 0.0) / self.guess_s, 0.95)
        return min((self.epoch - self.start + inside) / max(self.end - self.start, 1), 1.0)


@dataclass(frozen=True)
class DecisionLine:
    """A decision as it is shown."""

    at: float  # unix seconds
    action: str
    subject: str  # t0003 or t0003-f1; of a notice of the budget: what it asks for
    reason: str


@dataclass(frozen=True)
class ProgressFigures:
    """How far a study is through its plan, and how fast this driver gets through it."""

    spent: int  # fold-epochs, of all sessions
    planned: int  # fold-epochs in the end; at least what completing the finalists takes
    done: bool  # whether the race is
    per_second: float | None  # fold-epochs, in this session; None until the first has ended
    at: float  # unix seconds when these figures were made
    chain_s: float = 0.0  # seconds of the epochs that can only come one after another
    budget: Budget = NO_BUDGET
    elapsed_s: float = 0.0  # since the command began
    goes_on: bool = False  # whether more trials follow until the budget's time is over
    began_with: int | None = None  # fold-epochs planned when the session began, or its trials last changed
    why_other: str = ""  # why that is not what was spent in the end

    @property
    def part(self) -> float:
        """Of the plan, in [0, 1]. Speculation and retries are not planned, so only a race that is done is
        at 1; one that has spent its plan and goes on stays at 0.99."""
        return 1.0 if self.done else min(self.spent / max(self.planned, 1), 0.99)

    def eta_s(self, now: float) -> float | None:
        """Seconds left at this session's speed; None where nothing was measured or the plan is spent."""
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
        by_plan = max(left / self.per_second, self.chain_s)
        return max((min(by_plan, by_budget) if by_budget > 0 else by_plan) - took, 0.0)


@dataclass(frozen=True)
class Frame:
    """All that is drawn; made by the driver's thread for every event, drawn by any.

    What grows with the trials is worked out by who draws.
    """

    progress: ProgressFigures
    slots: tuple[Slot | None, ...]  # None stands for an idle slot
    last_statuses: tuple[TrialStatus, ...]  # what the race answered last, at most a few events ago
    configs: Mapping[int, Mapping[str, Any]]  # by trial
    decisions: tuple[DecisionLine, ...]  # the latest last
    failures: Mapping[str, int]  # of this session, by kind
    retries: int
    last_failure: str
    varied: tuple[str, ...] = ()  # names of the parameters that differ between trials
    running: frozenset[int] = frozenset()  # trials that are in a slot
    has_epochs: bool = True  # whether one has ended in this session
    began: float = 0.0  # unix seconds when the session did

    @cached_property
    def statuses(self) -> tuple[TrialStatus, ...]:
        """Best first, in line with the slots."""
        return with_running(self.last_statuses, self.running)


class Activity:
    """Slots, decisions and failures of this session, from its events. None but a proposal, which copies the
    configurations so far, costs more with more trials."""

    def __init__(self, slots: int, configs: Mapping[int, Mapping[str, Any]]) -> None:
        self.slots: list[Slot | None] = [None] * slots
        self._slot_index: dict[FoldRunKey, int] = {}  # of the slots that are taken
        self._idle = list(range(slots))  # a heap: the first idle slot is taken first
        self._leg_ends: Counter[int] = Counter()  # epochs where a leg under way ends -> how many legs
        self._leg_epochs_left: Counter[int] = Counter()  # epochs still to come of a leg -> how many legs
        self.configs: Mapping[int, Mapping[str, Any]] = dict(configs)  # never changed: frames share it
        self._varied = Varied(configs.values())
        self.varied = self._varied.names
        self.decisions: deque[DecisionLine] = deque(maxlen=KEPT_DECISIONS)
        self.failures: Counter[str] = Counter()
        self.retries = 0
        self.last_failure = ""
        self._epoch_s: dict[int, float] = {}  # trial -> seconds of its last epoch
        self._last_s: float | None = None
        self._epochs, self._seconds = 0, 0.0  # that ended in this session, and what they took
        self._score: dict[FoldRunKey, float] = {}  # of the last epoch

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        if isinstance(event, Proposed):
            self.configs = {**self.configs, event.trial: event.config}
            self._varied.add(event.config)
            self.varied = self._varied.names
        elif isinstance(event, LegStarted):
            self._start(event, now)
        elif isinstance(event, EpochEnded):
            self._end_epoch(event, decisions, now)
        elif isinstance(event, LegFailed):
            self.failures[event.failure] += 1
            key = FoldRunKey(event.trial, event.fold)
            self.last_failure = f"{key}: {cause(clean(event.error))}"
            self._free(key)
        self._note_decisions(event, decisions, now)

    def on_ready(self, key: FoldRunKey, now: float) -> None:
        """The worker of a fold run has started: its epochs begin."""
        index = self._slot_index.get(key)
        slot = None if index is None else self.slots[index]
        if index is not None and slot is not None and not slot.ready:
            self._set_slot(index, replace(slot, ready=True, since=now))

    @property
    def running(self) -> list[Slot]:
        return [slot for slot in self.slots if slot is not None]

    @property
    def running_trials(self) -> frozenset[int]:
        return frozenset(key.trial for key in self._slot_index)

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self._slot_index)

    @property
    def has_epochs(self) -> bool:
        """Whether one has ended in this session."""
        return bool(self._score)

    @property
    def all_starting(self) -> bool:
        """Whether no worker has started yet."""
        return not any(slot.ready for slot in self.running)

    @property
    def mean_s(self) -> float:
        """Seconds an epoch takes on the average; 0: not known yet."""
        return self._seconds / max(self._epochs, 1)

    def chain(self, max_t: int, waiting: bool) -> int:
        """Epochs that can only come one after another: of the longest leg, or of the finalists' coming ones.

        waiting: a leg waits for a slot.
        """
        at_last = any(end >= max_t for end in self._leg_ends) and not waiting
        return max(self._leg_epochs_left) if at_last else max_t

    def _start(self, event: LegStarted, now: float) -> None:
        key = event.leg.key
        epoch_s = self._epoch_s.get(key.trial)
        slot = Slot(
            key, event.start, event.end, event.start, event.speculative, now,
            self._score.get(key), epoch_s, epoch_s or self._last_s,
        )  # fmt: skip
        index = self._slot_index.get(key)
        before = None if index is None else self.slots[index]
        if before is not None:  # the same worker goes on
            slot = replace(slot, ready=before.ready)
        if index is None and self._idle:
            index = heapq.heappop(self._idle)
        if index is None:  # more than was said; shown rather than lost
            index = len(self.slots)
            self.slots.append(None)
        self._set_slot(index, slot)

    def _end_epoch(self, event: EpochEnded, decisions: Sequence[Decision], now: float) -> None:
        key = FoldRunKey(event.trial, event.fold)
        seconds = event.seconds or None
        self._score[key] = event.score
        if seconds is not None:
            self._epoch_s[key.trial] = self._last_s = seconds
            self._epochs, self._seconds = self._epochs + 1, self._seconds + seconds
        if leaves_slot(own_decision(key, decisions)):
            self._free(key)
            return
        index = self._slot_index.get(key)
        slot = None if index is None else self.slots[index]
        if index is not None and slot is not None:
            epoch_s, epoch, score = self._epoch_s.get(key.trial), event.epoch, event.score
            self._set_slot(
                index,
                replace(
                    slot, epoch=epoch, score=score, epoch_s=epoch_s, guess_s=epoch_s, since=now, ready=True
                ),
            )

    def _free(self, key: FoldRunKey) -> None:
        index = self._slot_index.get(key)
        if index is not None:
            self._set_slot(index, None)
            heapq.heappush(self._idle, index)

    def _set_slot(self, index: int, slot: Slot | None) -> None:
        before = self.slots[index]
        if before is not None:
            del self._slot_index[before.key]
            self._count(before, -1)
        if slot is not None:
            self._slot_index[slot.key] = index
            self._count(slot, 1)
        self.slots[index] = slot

    def _count(self, slot: Slot, by: int) -> None:
        for counter, value in ((self._leg_ends, slot.end), (self._leg_epochs_left, slot.end - slot.epoch)):
            counter[value] += by
            if not counter[value]:
                del counter[value]

    def _note_decisions(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        notice = budget_notice(event, decisions)
        if notice is not None:
            self.decisions.append(DecisionLine(now, notice.action, notice.subject, notice.reason))
        ended = {item.trial for item in decisions if item.action in ENDS}
        for item in without_noticed(event, decisions):
            self.retries += item.action is Action.RETRY
            is_repeated = item.action is Action.STOP and item.trial in ended  # its trial's line says why
            if item.action is not Action.CONTINUE and not is_repeated:
                self.decisions.append(DecisionLine(now, item.action, subject_of(item), item.reason))


def leaves_slot(own: Decision | None) -> TypeGuard[Decision]:
    """Whether a fold run whose epoch ended gives its slot away, by the last decision on it."""
    return own is not None and own.action is not Action.CONTINUE


def subject_of(decision: Decision) -> str:
    if decision.fold is None:
        return f"t{decision.trial:04d}"
    return str(FoldRunKey(decision.trial, decision.fold))


def with_running(statuses: Iterable[TrialStatus], running: Set[int]) -> tuple[TrialStatus, ...]:
    """Statuses brought in line with the slots: they are asked for less often than legs start."""
    idle = (State.WAITING, State.PARKED)
    return tuple(
        replace(item, state=State.RUNNING) if item.trial in running and item.state in idle else item
        for item in statuses
    )
