"""Short epochs store no resume state each: what a death then costs, and what is kept, over drawn deaths."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, FoldRunKey, Leg, LegFailed, LegStarted
from orchestrator.core.trainable import Config, Parameter, Resources
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage.checkpoint_files import oof_name, resume_name, weights_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.history import NOT_KEPT, History
from orchestrator.tune.retrying import intact_epochs

KEY = FoldRunKey(0, 0)
LONGEST_S = 9.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Chained:
    """Each epoch's score and predictions follow from a hash of all epochs before: any slip changes them."""

    clock: ClassVar[Clock]
    trained: ClassVar[list[int]]
    seconds: ClassVar[Sequence[float]]

    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._epoch, self._chain = 0, hashlib.sha256(str(seed).encode()).digest()

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
        self._chain = hashlib.sha256(self._chain).digest()
        Chained.trained.append(self._epoch)
        Chained.clock.now += Chained.seconds[self._epoch - 1]
        return {"accuracy": self._chain[0] / 256}

    def probabilities(self) -> NDArray[np.float32]:
        first = np.frombuffer(self._chain[:2], np.uint8).astype(np.float32) / 255
        return np.stack([first, 1 - first], axis=1)

    def weights(self) -> bytes:
        return b"weights" + self._chain

    def state(self) -> bytes:
        return bytes([self._epoch]) + self._chain

    def load_state(self, data: bytes) -> None:
        self._epoch, self._chain = data[0], data[1:]

    def close(self) -> None:
        """Nothing to free."""

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> None:
        raise TypeError("nothing to predict with")


class Killed(BaseException):
    pass


class Store(CheckpointStore):
    """In memory; dies where it is told to, before a put or a deletion."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.calls_left = -1

    def _call(self) -> None:
        if self.calls_left == 0:
            raise Killed
        self.calls_left -= 1

    def put(self, name: str, data: bytes | memoryview) -> None:
        self._call()
        self.files[name] = bytes(data)

    def get(self, name: str) -> bytes:
        return self.files[name]

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix))

    def delete(self, name: str) -> None:
        self._call()
        self.files.pop(name, None)

    def kept(self) -> set[str]:
        return set(self.names(f"{KEY}/"))


def a_dataset() -> Dataset:
    return Dataset(
        root="", paths=("a", "b", "c", "d"), labels=np.array([0, 1, 0, 1]),
        folds=np.array([0, 0, 1, 1], np.int16), classes=("x", "y"), metric="accuracy", mode="max",
        fingerprint="", cache_dir="",
    )  # fmt: skip


class Fold:
    """One fold run, what the journal says of it, and processes that die."""

    def __init__(self, seconds: Sequence[float], every: float) -> None:
        Chained.clock, Chained.trained, Chained.seconds = Clock(), [], seconds
        self.every, self.store, self.history = every, Store(), History("max")
        self.told: list[EpochEnded] = []  # each epoch as it was told first
        self.worker = self._new_worker()

    def _new_worker(self) -> FoldRunWorker:
        return FoldRunWorker(a_dataset(), f"{__name__}:Chained", self.store, clock=Chained.clock)

    def start(self, end: int) -> None:
        start = self.history.done(KEY)
        self.history.add(LegStarted(0, 0, start, end))
        digests, best = self.history.resume_digests(KEY, start), self.history.best(KEY, start)
        leg = Leg(0, 0, start, end)
        assignment = LegAssignment(leg, {}, len(Chained.seconds), 7, best, resume_digests=digests)
        self.worker.start(replace(assignment, checkpoint_every=self.every))

    def step(self) -> EpochEnded | LegFailed:
        outcome = self.worker.step()
        assert isinstance(outcome, EpochEnded | LegFailed), outcome
        if isinstance(outcome, EpochEnded):
            self.history.add(outcome)
            self.told.append(outcome)
        return outcome

    def die(self) -> None:
        """The process is gone, with all that it had in memory."""
        self.store.calls_left = -1
        self.worker = self._new_worker()

    @property
    def unstored_s(self) -> float:
        """Seconds of the epochs since the newest state that the journal knows."""
        done = self.history.done(KEY)
        return sum(Chained.seconds[self.history.state_epoch(KEY, done) : done])

    def needed(self, epoch: int) -> set[str]:
        """What has to be there once that epoch is told, and nothing else of the fold run."""
        state = self.history.state_epoch(KEY, epoch)
        states = {state, self.history.state_epoch(KEY, state - 1)}
        bests = {best.epoch for until in (epoch - 1, epoch) if (best := self.history.best(KEY, until or -99))}
        return {resume_name(KEY, item) for item in states if item} | {
            name(KEY, item) for name in (weights_name, oof_name) for item in bests
        }


def uninterrupted(seconds: Sequence[float]) -> list[EpochEnded]:
    fold = Fold(seconds, 0.0)
    fold.start(len(seconds))
    return [outcome for _ in seconds if isinstance(outcome := fold.step(), EpochEnded)]


@pytest.mark.parametrize("every", [0.0, 2.0, 5.0, 1000.0])
@pytest.mark.parametrize("seed", range(40))
def test_what_a_death_costs_is_at_most_what_was_asked_and_nothing_is_lost(seed: int, every: float) -> None:
    """Legs and deaths as they come: between epochs, inside one, or in the middle of storing one."""
    rng = np.random.default_rng([seed, 3])
    seconds = rng.choice([0.5, 1.0, 2.5, LONGEST_S], rng.integers(1, 12)).tolist()
    whole = uninterrupted(seconds)
    fold = Fold(seconds, every)
    while (done := fold.history.done(KEY)) < len(seconds):
        end = int(rng.integers(done, len(seconds))) + 1
        fold.start(end)
        for _ in range(rng.integers(1, 6)):
            fold.store.calls_left = int(rng.choice([-1, -1, -1, 0, 1, 2, 3, 4, 5]))
            trained, unstored_s = len(Chained.trained), fold.unstored_s
            try:
                outcome = fold.step()
            except Killed:
                fold.die()
                break
            fold.store.calls_left = -1
            assert isinstance(outcome, EpochEnded), outcome
            repeated = Chained.trained[trained:-1]
            assert sum(seconds[epoch - 1] for epoch in repeated) <= unstored_s
            assert fold.unstored_s < every or fold.unstored_s == 0
            assert fold.store.kept() >= fold.needed(outcome.epoch)
            if outcome.epoch == end:
                assert "resume" in outcome.digests
                break
        else:
            fold.die()
    assert [item.epoch for item in fold.told] == list(range(1, len(seconds) + 1)), "each is told once"
    for mine, theirs in zip(fold.told, whole, strict=True):
        assert (mine.score, mine.metrics) == (theirs.score, theirs.metrics)
        assert mine.digests.items() <= theirs.digests.items()
        assert theirs.digests.keys() - mine.digests.keys() <= {"resume"}
    assert fold.store.kept() == fold.needed(len(seconds))


@pytest.mark.parametrize("every", [0.0, 2.0, 5.0, 1000.0])
def test_without_deaths_what_is_kept_is_what_is_needed_after_every_epoch(every: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        seconds = rng.choice([0.5, 1.0, 2.5, LONGEST_S], 10).tolist()
        fold = Fold(seconds, every)
        for end in sorted({*rng.choice(range(1, 10), 3), 10}):
            fold.start(int(end))
            while fold.history.done(KEY) < end:
                fold.step()
                assert fold.store.kept() == fold.needed(fold.history.done(KEY))
                assert fold.unstored_s < every or fold.unstored_s == 0
                states = [name for name in fold.store.kept() if "/resume-" in name]
                assert len(states) == fold.history.states_kept(KEY)
        assert Chained.trained == list(range(1, 11))


def test_epochs_longer_than_that_store_each_its_state() -> None:
    fold = Fold([3.0] * 4, every=3.0)
    fold.start(4)
    assert all("resume" in fold.step().digests for _ in range(4))  # type: ignore[union-attr]


def a_broken_off_fold_run() -> Fold:
    """States after epochs 2 and 4, none after 5; then its process died."""
    fold = Fold([1.0] * 6, every=2.0)
    fold.start(6)
    for _ in range(5):
        fold.step()
    digests = fold.history.resume_digests(KEY, 5)
    assert [digest == NOT_KEPT for digest in digests] == [True, False, True, False, True]
    fold.die()
    return fold


def test_a_damaged_state_costs_the_epochs_since_the_one_before_it_and_two_the_fold_run() -> None:
    fold = a_broken_off_fold_run()
    fold.store.files[resume_name(KEY, 4)] = b"damaged"
    fold.start(6)
    outcome = fold.step()
    assert isinstance(outcome, EpochEnded) and outcome.epoch == 6 and Chained.trained[5:] == [3, 4, 5, 6]
    fold = a_broken_off_fold_run()
    for epoch in (2, 4):
        fold.store.files[resume_name(KEY, epoch)] = b"damaged"
    fold.start(6)
    failed = fold.step()
    assert isinstance(failed, LegFailed) and (failed.failure, failed.epoch) == ("lost", 0)
    assert failed.error.endswith("run again from the start")


def test_the_state_before_a_damaged_one_is_trained_on_from_without_telling_its_epochs_again() -> None:
    """The journal's best epoch is stored, that as of the older state is not: so no epoch is taken back."""
    fold = Fold([1.0] * 6, every=2.0)
    fold.start(4)
    for _ in range(4):
        fold.step()
    fold.die()
    fold.store.files[resume_name(KEY, 4)] = b"damaged"
    assert fold.store.kept() >= {resume_name(KEY, 2)}
    fold.start(6)
    outcome = fold.step()
    assert isinstance(outcome, EpochEnded) and outcome.epoch == 5
    assert Chained.trained[4:] == [3, 4, 5]
    assert outcome.score == uninterrupted([1.0] * 6)[4].score


def test_a_trial_that_is_run_again_goes_on_from_the_epochs_that_its_newest_state_leads_to() -> None:
    fold = a_broken_off_fold_run()
    assert intact_epochs(fold.store, fold.history, KEY, 5) == 5
    del fold.store.files[resume_name(KEY, 4)]
    assert intact_epochs(fold.store, fold.history, KEY, 5) == 3, "from the state before"
    del fold.store.files[resume_name(KEY, 2)]
    assert intact_epochs(fold.store, fold.history, KEY, 5) == 0


def test_a_journal_without_digests_is_gone_on_from_as_before() -> None:
    fold = Fold([1.0] * 4, every=0.0)
    fold.start(2)
    fold.step(), fold.step()
    fold.die()
    fold.history = History("max", [replace(item, digests={}) for item in fold.told])
    fold.start(4)
    outcome = fold.step()
    assert isinstance(outcome, EpochEnded) and outcome.epoch == 3 and Chained.trained == [1, 2, 3]
