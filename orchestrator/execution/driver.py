"""What Ray and the inline way have in common: race and journal in, legs to run out.

An event and what the race decides about it are in the journal, fsynced, before anything is done about them.
The driver knows no Ray and starts no process.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from orchestrator.budget import BudgetController
from orchestrator.cli.signals import ignore_interrupts
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import OrchestratorError, StorageError
from orchestrator.core.events import (
    Action,
    Closed,
    Decision,
    EpochEnded,
    Event,
    FoldRunKey,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    RaceEvent,
    State,
    decided,
    own_decision,
)
from orchestrator.core.file_digest import is_as_stored
from orchestrator.execution.disk_guard import DiskGuard
from orchestrator.execution.retention import Retention
from orchestrator.execution.worker import LegAssignment, Outcome, StorageFailed
from orchestrator.race.contract import OUT, Race
from orchestrator.sampling import Sampler
from orchestrator.storage.checkpoint_files import by_fold_run, keep_only_best, oof_name
from orchestrator.study.history import History
from orchestrator.study.predictions import assemble, fold_from_bytes, write_prediction
from orchestrator.study.study import Study

log = logging.getLogger(__name__)


class View(Protocol):
    """Whoever watches; see orchestrator.progress."""

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None: ...


@runtime_checkable
class WorkerView(View, Protocol):
    """One that also wants to know when the worker of a fold run has started, which may take long."""

    def on_ready(self, key: FoldRunKey, now: float) -> None: ...


@dataclass(frozen=True)
class Answer:
    """What a fold run does after its outcome: goes on inside its leg or with another, or leaves its slot."""

    goes_on: bool  # it keeps its slot
    assignment: LegAssignment | None = None  # its next leg, where the last one has ended


class Driver:
    """Drives one study with one race. Built on a race that has already observed the journal's events."""

    def __init__(
        self,
        race: Race,
        study: Study,
        sampler: Sampler,
        dataset: Dataset,
        view: View,
        budget: BudgetController | None = None,
        disk: DiskGuard | None = None,
        checkpoint_every: float = 0.0,
    ) -> None:
        """budget: what keeps the study's budget, where it has one. disk: what keeps it from being filled.
        checkpoint_every: seconds of a fold run's finished epochs that may be lost inside a leg; 0: none."""
        self.race = race
        self.study = study
        self._sampler = sampler
        self._dataset = dataset
        self._seed = study.header.seed
        self._view = view
        self._budget = budget
        self._disk = disk
        self._checkpoint_every = checkpoint_every
        self._space = study.space
        self.store = study.store()
        self._epoch_choice = study.header.epoch_choice
        self._history = History(self._space.mode, study.events, self._epoch_choice)
        self._configs = study.configs
        self._foreseen: tuple[int, Mapping[str, Any]] = (-1, {})  # a trial to come and what it may be
        self._running: set[FoldRunKey] = set()
        self._nodes: dict[FoldRunKey, str] = {}  # where each fold run ran last
        keeps_all = study.header.keep_oof == "all"
        self._retention = Retention(race, self._history, self._running, self._space.folds, keeps_all)
        for event in study.events:
            sampler.observe(event)

    # ---- asked by an adapter ----

    @property
    def done(self) -> bool:
        return self.race.done

    @property
    def running(self) -> int:
        return len(self._running)

    def running_keys(self) -> list[FoldRunKey]:
        return sorted(self._running)

    def coming(self) -> Leg | None:
        """The leg a free slot should take; nothing is noted yet. None when no leg can start now.

        Raises StorageError where the disk has no room for it and nothing runs that could make some.
        """
        leg = self.race.next()
        if leg is None and not self._running and not self.race.done:
            raise OrchestratorError("the race has nothing to run and is not done; please report this journal")
        return leg if leg is None or self._has_room(leg) else None

    def start(self, leg: Leg, node: str = "") -> LegAssignment:
        """Begins the leg that is `coming`: it is in the journal, with its node, when this returns."""
        assignment = self._start(leg, node)
        self.keep_budget()
        return assignment

    def next_assignment(self) -> LegAssignment | None:
        """`coming`, begun."""
        leg = self.coming()
        return None if leg is None else self.start(leg)

    def gpu_failures(self, trial: int) -> Sequence[Sequence[str]]:
        """As `History.gpu_failures`."""
        return self._history.gpu_failures(trial)

    def config_of(self, trial: int) -> Mapping[str, Any]:
        """Its configuration; of one that has not started, what would be proposed for it now or was a while
        ago: enough to tell how much memory it will want."""
        if trial in self._configs:
            return self._configs[trial]
        if self._foreseen[0] != trial:
            self._foreseen = (trial, self._sampler.propose(trial))
        return self._foreseen[1]

    def left_after(self, leg: Leg) -> int | None:
        """Fold-epochs of the race still to come, at least; None for a leg that doesn't end its fold run."""
        if leg.end < self._space.max_t:
            return None
        race = self.race
        return max(race.finish_fold_epochs, race.planned_fold_epochs - race.spent_fold_epochs)

    def use_slots(self, slots: int) -> None:
        """`slots` fold runs go on at once from now on."""
        if self._budget is not None:
            self._budget.use_slots(slots)

    def ready(self, key: FoldRunKey) -> None:
        """The process of a fold run has started, with its libraries; its first epoch begins."""
        if isinstance(self._view, WorkerView):
            self._view.on_ready(key, time.time())

    def report(self, outcome: Outcome) -> Answer:
        """An epoch ended or a leg failed. Raises StorageError when a store refused to write."""
        if isinstance(outcome, StorageFailed):
            raise StorageError(outcome.error)
        key = FoldRunKey(outcome.trial, outcome.fold)
        if self._disk is not None and isinstance(outcome, EpochEnded):
            self._disk.saw(outcome)
        decisions = self._observe(outcome)
        own = own_decision(key, decisions)
        goes_on = isinstance(outcome, EpochEnded) and own is not None and own.action is Action.CONTINUE
        if not goes_on:
            self._running.discard(key)
        assignment = None
        if goes_on and own is not None and own.leg is not None:
            assignment = self._start(own.leg, self._nodes.get(key, ""))
        self._act(decisions)
        self.keep_budget()
        return Answer(goes_on, assignment)

    def lost(self, key: FoldRunKey, failure: str, error: str, traceback: str = "") -> None:
        """The process of a fold run died. failure: "lost" if its node did too, "killed" if it alone did."""
        self.report(LegFailed(key.trial, key.fold, self._history.done(key), failure, error, traceback))

    def keep_budget(self) -> None:
        """Tells the race what follows from its budget; asked whenever its next leg may be another."""
        while self._budget is not None and (action := self._budget.now(self._running)) is not None:
            self._act(self._observe(action))

    # ---- at the ends ----

    def settle(self) -> None:
        """Brings the disk in line with the journal: what a driver that died had decided but not yet done."""
        stored = by_fold_run(self.store.names())  # one listing for all trials
        for status in self.race.statuses():
            if status.state is State.COMPLETE and not self.study.files.oof(status.trial).exists():
                self._complete(status.trial)
            elif status.state in OUT:
                self._retention.settle(status.trial, stored)
        self._retention.delete(self.store)

    @contextlib.contextmanager
    def noting_the_end(self) -> Iterator[None]:
        """However the race that runs inside ends, the journal says so."""
        try:
            yield
        except KeyboardInterrupt:
            ignore_interrupts()
            self.close("interrupted")
            raise
        except BaseException as error:
            with contextlib.suppress(StorageError):  # the error that ended it is the one to tell
                self.close("stopped", f"{type(error).__name__}: {error}")
            raise
        self.close("finished")

    def close(self, outcome: str, reason: str = "") -> None:
        """outcome: finished, interrupted or stopped."""
        self.study.append(Closed(outcome, reason))
        self.study.export(self.race.statuses())

    # ---- inside ----

    def _has_room(self, leg: Leg) -> bool:
        """Raises StorageError where nothing runs that could make room on the disk."""
        if self._disk is None:
            return True
        running = [self._history.states_kept(key) for key in self._running]
        own = self._history.states_kept(leg.key)
        return self._disk.check(leg, leg.trial not in self._configs, running, own)

    def _start(self, leg: Leg, node: str) -> LegAssignment:
        if leg.trial not in self._configs:
            config = self._sampler.propose(leg.trial)
            self._observe(Proposed(leg.trial, config))
            self._configs[leg.trial] = config
        assignment = LegAssignment(
            leg,
            self._configs[leg.trial],
            self._space.max_t,
            fold_run_seed(self._seed, leg.key),
            self._history.best(leg.key, leg.start),
            self._history.resume_digests(leg.key, leg.start),
            self._epoch_choice,
            self._checkpoint_every,
        )
        self._observe(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason, node))
        self._running.add(leg.key)
        self._retention.started(leg.key)
        self._nodes[leg.key] = node
        return assignment

    def _observe(self, event: RaceEvent) -> list[Decision]:
        """One event and its decisions go into the journal together, before anything is done about them."""
        sooner = None if self._budget is None else self._budget.before(event, self._running)
        if sooner is not None:
            self._act(self._observe(sooner))
        decisions = self.race.apply(event)
        self.study.append(event, *(decided(item) for item in decisions if item.is_noted))
        self._history.add(event)
        self._sampler.observe(event)
        self._view.on_event(event, decisions, time.time())
        return decisions

    def _act(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.action is Action.COMPLETE:
                self._complete(decision.trial)
            elif decision.action in (Action.PRUNE, Action.FAIL):
                self._retention.drop(self.store, decision.trial)
            elif decision.action is Action.STOP and self.race.state(decision.trial) in OUT:
                assert decision.fold is not None  # a STOP is for one fold run
                self._retention.stopped(self.store, FoldRunKey(decision.trial, decision.fold))
        self._retention.delete(self.store)

    def _stored(self, name: str, digest: str) -> bytes:
        try:
            data = self.store.get(name)
            fault = "" if is_as_stored(data, digest) else "damaged: its bytes are not those that were stored"
        except KeyError:
            fault = "missing"
        if fault:
            raise StorageError(
                f"study {self.study.path}: checkpoints/{name} is {fault}; restore it, "
                "then continue with --resume"
            )
        return data

    def _complete(self, trial: int) -> None:
        by_fold, bests = {}, {}
        for fold in range(self._space.folds):
            key = FoldRunKey(trial, fold)
            best = self._history.best(key)
            assert best is not None  # a complete trial has all folds
            digest = self._history.digest(key, best.epoch, "oof")
            by_fold[fold] = fold_from_bytes(self._stored(oof_name(key, best.epoch), digest))
            bests[key] = best.epoch
        keep_only_best(self.store, bests)
        prediction = assemble(by_fold, self._dataset.labels, self._dataset.folds)
        write_prediction(self.study.files.oof(trial), prediction, self._dataset.paths, self._dataset.classes)


def fold_run_seed(seed: int, key: FoldRunKey) -> int:
    """A seed of its own for every fold run, from the study's; the same on every machine. Below 2**31."""
    digest = hashlib.sha256(f"{seed}/{key.trial}/{key.fold}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
