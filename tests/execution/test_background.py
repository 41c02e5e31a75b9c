"""Writing beside training: what is reported is stored, whatever is under way meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import StorageError
from orchestrator.core.events import EpochEnded, Leg, LegFailed
from orchestrator.core.trainable import Config, Parameter, Resources
from orchestrator.execution.background_writer import Writer
from orchestrator.execution.worker import FoldRunWorker, LegAssignment, StorageFailed
from orchestrator.storage.checkpoint_files import resume_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.history import Best

WAIT_S = 120.0  # only ever used up by a failing test


class Clock:
    """Moves when told to; one training epoch and one write say how long they took."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """Epoch e has score e and the state b"e"; says which epochs were trained, and may fail at one."""

    clock: ClassVar[Clock]
    begun: ClassVar[list[int]]
    in_second: ClassVar[threading.Event]
    fails_at: ClassVar[int]

    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._epoch = 0

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {}

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        """Nothing to prepare."""

    def run_epoch(self) -> dict[str, float]:
        self._epoch += 1
        Counting.begun.append(self._epoch)
        if self._epoch == 3:
            Counting.in_second.set()
        Counting.clock.now += 10.0
        if self._epoch == Counting.fails_at:
            raise ValueError("this epoch fails")
        return {"accuracy": float(self._epoch)}

    def probabilities(self) -> NDArray[np.float32]:
        return np.full((2, 2), 0.5, np.float32)

    def weights(self) -> bytes:
        return f"weights {self._epoch}".encode()

    def state(self) -> bytes:
        return str(self._epoch).encode()

    def load_state(self, data: bytes) -> None:
        self._epoch = int(data)

    def close(self) -> None:
        """Nothing to free."""

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> None:
        raise TypeError("nothing to predict with")


class Store(CheckpointStore):
    """In memory. seconds: by which a write moves the clock; gate: what a write of epoch 2 waits for."""

    def __init__(self, clock: Clock, seconds: float = 0.0, gate: threading.Event | None = None) -> None:
        self._clock, self._seconds, self._gate = clock, seconds, gate
        self.files: dict[str, bytes] = {}
        self.order: list[str] = []
        self.full = False

    def put(self, name: str, data: bytes | memoryview) -> None:
        if self._gate is not None and "e0002" in name and not self._gate.wait(WAIT_S):
            raise StorageError("epoch 3 was not trained while epoch 2 was written")
        if self.full:
            raise StorageError("disk full")
        self._clock.now += self._seconds
        self.files[name] = bytes(data)
        self.order.append(name)

    def get(self, name: str) -> bytes:
        return self.files[name]

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix))

    def delete(self, name: str) -> None:
        self.files.pop(name, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for name, value in (("clock", made), ("begun", []), ("in_second", threading.Event()), ("fails_at", 0)):
        monkeypatch.setattr(Counting, name, value, raising=False)
    return made


def worker_on(store: Store, clock: Clock) -> FoldRunWorker:
    dataset = Dataset(
        root="",
        paths=("a", "b", "c", "d"),
        labels=np.array([0, 1, 0, 1]),
        folds=np.array([0, 0, 1, 1], np.int16),
        classes=("x", "y"),
        metric="accuracy",
        mode="max",
        fingerprint="",
        cache_dir="",
    )
    return FoldRunWorker(dataset, f"{__name__}:Counting", store, clock=clock)


def assignment(fold: int = 0, start: int = 0, end: int = 4) -> LegAssignment:
    return LegAssignment(Leg(0, fold, start, end), {}, 4, 0, None)


def test_where_writing_is_slow_the_next_epoch_trains_meanwhile(clock: Clock) -> None:
    store = Store(clock, seconds=1.0, gate=Counting.in_second)
    worker = worker_on(store, clock)
    worker.start(assignment())
    outcomes = [worker.step() for _ in range(4)]
    assert [item.epoch for item in outcomes if isinstance(item, EpochEnded)] == [1, 2, 3, 4]
    assert Counting.begun == [1, 2, 3, 4]


@pytest.mark.parametrize("write_s", [0.0, 1.0])
def test_what_an_outcome_tells_of_is_stored_and_the_resume_state_last(clock: Clock, write_s: float) -> None:
    store = Store(clock, seconds=write_s)
    worker = worker_on(store, clock)
    worker.start(assignment())
    for epoch in range(1, 5):
        outcome = worker.step()
        assert isinstance(outcome, EpochEnded) and outcome.epoch == epoch
        assert store.order[-1] == resume_name(assignment().leg.key, epoch)
        assert store.get(store.order[-1]) == str(epoch).encode()
        assert not any(f"e{epoch + 1:04d}" in name for name in store.files)


def test_where_writing_is_fast_no_epoch_begins_before_the_race_has_answered(clock: Clock) -> None:
    worker = worker_on(Store(clock, seconds=0.1), clock)
    worker.start(assignment())
    for epoch in range(1, 5):
        worker.step()
        assert Counting.begun[-1] == epoch


def test_nothing_is_trained_beyond_the_leg(clock: Clock) -> None:
    worker = worker_on(Store(clock, seconds=5.0), clock)
    worker.start(assignment(end=3))
    for _ in range(3):
        worker.step()
    assert Counting.begun == [1, 2, 3]


def test_the_first_epoch_of_a_fold_run_is_never_gone_beyond_unasked(clock: Clock) -> None:
    worker = worker_on(Store(clock, seconds=5.0), clock)
    for fold in (0, 1):
        worker.start(assignment(fold))
        worker.step()
        assert Counting.begun[-1] == 1


def test_an_epoch_that_fails_ahead_fails_after_the_one_before_was_reported(clock: Clock) -> None:
    Counting.fails_at = 3
    worker = worker_on(Store(clock, seconds=1.0), clock)
    worker.start(assignment())
    first, second, third = (worker.step() for _ in range(3))
    assert isinstance(first, EpochEnded) and isinstance(second, EpochEnded)
    assert Counting.begun == [1, 2, 3]
    assert isinstance(third, LegFailed)
    assert (third.epoch, third.failure, third.error) == (2, "exception", "ValueError: this epoch fails")


def test_an_epoch_trained_ahead_leaves_nothing_once_its_fold_run_was_stopped(clock: Clock) -> None:
    store = Store(clock, seconds=1.0)
    worker = worker_on(store, clock)
    worker.start(assignment())
    worker.step(), worker.step()
    assert Counting.begun[-1] == 3  # ahead
    worker.start(assignment(fold=1))
    outcome = worker.step()
    assert isinstance(outcome, EpochEnded) and (outcome.fold, outcome.epoch) == (1, 1)
    assert max(int(name[-7:-3]) for name in store.names("t0000-f0/resume")) == 2


def test_a_stopped_fold_run_that_comes_back_goes_on_from_what_was_reported(clock: Clock) -> None:
    worker = worker_on(Store(clock, seconds=1.0), clock)
    worker.start(assignment())
    worker.step(), worker.step()
    worker.start(assignment(fold=1))
    worker.step()
    worker.start(assignment(start=2))
    outcome = worker.step()
    assert isinstance(outcome, EpochEnded) and (outcome.epoch, outcome.score) == (3, 3.0)


def test_a_store_that_refuses_stops_the_study_and_not_the_fold_run(clock: Clock) -> None:
    store = Store(clock, seconds=1.0)
    worker = worker_on(store, clock)
    worker.start(assignment())
    worker.step()
    store.full = True
    outcome = worker.step()
    assert isinstance(outcome, StorageFailed) and "disk full" in outcome.error
    assert not any("e0002" in name for name in store.files)


def test_seconds_are_of_one_epoch_where_two_overlap(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "is_slow_beside", lambda self, training_s: True)
    worker = worker_on(Store(clock), clock)
    worker.start(assignment())
    outcomes = [worker.step() for _ in range(4)]
    assert Counting.begun == [1, 2, 3, 4] and clock.now == 40.0
    assert [item.seconds for item in outcomes if isinstance(item, EpochEnded)] == [10.0] * 4


def test_drain_waits_for_the_write_under_way_and_hides_how_it_ended() -> None:
    clock, gate = Clock(), threading.Event()
    store = Store(clock, gate=gate)
    store.full = True
    writer = Writer(store, clock)
    writer.begin((("resume-e0002.pt", b""),), lambda: None)
    gate.set()
    writer.drain()
    writer.wait()
    assert not store.files


def names_of(store: Store, kind: str) -> set[int]:
    return {int(name.split("-e")[1][:4]) for name in store.files if f"/{kind}" in name}


def test_a_worker_that_was_given_up_takes_nothing_from_the_one_that_replaced_it(clock: Clock) -> None:
    store = Store(clock)
    slow, fast = worker_on(store, clock), worker_on(store, clock)
    slow.start(assignment(end=2))
    slow.step()
    fast.start(replace(assignment(start=1, end=4), best=Best(1, 0.1, 0.1)))
    for _ in range(3):
        fast.step()
    there = set(store.files)
    slow.step()
    assert there <= set(store.files)


def test_what_nobody_noted_is_written_over_when_a_fold_run_is_built_again(clock: Clock) -> None:
    store = Store(clock)
    worker_that_died = worker_on(store, clock)
    worker_that_died.start(assignment(end=3))
    for _ in range(3):
        worker_that_died.step()
    unnoted = resume_name(assignment().leg.key, 3)
    store.files[unnoted] = b"of a worker that died before it was noted"
    again = worker_on(store, clock)
    again.start(replace(assignment(start=2, end=3), best=Best(1, 0.1, 0.1)))
    assert isinstance(again.step(), EpochEnded)
    assert store.get(unnoted) == b"3"
    assert names_of(store, "resume") == {2, 3}


def test_a_worker_that_was_given_up_before_it_began_takes_nothing_of_the_one_that_finished(
    clock: Clock,
) -> None:
    """Its node answered late: another worker has done the whole fold run, and the trial may be complete."""
    store = Store(clock)
    given_up, other = worker_on(store, clock), worker_on(store, clock)
    given_up.start(assignment())
    other.start(assignment())
    for _ in range(4):
        other.step()
    stored = dict(store.files)
    for _ in range(3):
        given_up.step()
        assert {name: store.files.get(name) for name in stored} == stored
