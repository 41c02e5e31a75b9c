from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.core.dataset import Dataset
from tests.support.drawn_images import classifier, run
from trainables.validation_batch import LARGEST, ValidationBatch, rows_that_fit

pytestmark = pytest.mark.torch

GB = 2**30
# Activations of a step in training and of a pass without gradients, bytes a row at 224 px, as PyTorch's
# tensors of those shapes take them in 16 bits: (training, validation).
NETWORKS = {"resnet18": (25e6, 3.2e6), "resnet50": (95e6, 6.4e6), "efficientnet_b0": (75e6, 4.8e6)}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch", [8, 64, 128])
def test_a_validation_batch_needs_no_more_than_training_took(name: str, batch: int) -> None:
    training, validation = (int(size) for size in NETWORKS[name])
    rows = rows_that_fit(2 * batch, 2 * batch * validation, batch * training, batch, LARGEST)
    assert rows >= 4 * batch
    assert rows * validation <= batch * training
    assert rows % batch == 0


def test_a_batch_is_never_smaller_than_one_that_training_could_hold() -> None:
    assert rows_that_fit(128, 10 * GB, GB, least=64, most=2048) == 64


def test_what_took_no_memory_takes_the_largest_batch() -> None:
    assert rows_that_fit(128, 0, GB, least=64, most=2048) == 2048
    assert rows_that_fit(4096, 0, GB, least=4096, most=4096) == 4096


class DrawnMemory:
    """A GPU on which training took `training` bytes and each validation row takes `a_row`."""

    def __init__(self, training: int, a_row: int, room: int, said: str = "CUDA out of memory") -> None:
        self.training, self.a_row, self.room, self.said = training, a_row, room, said
        self._peak = training
        self.released = 0

    def held(self) -> int:
        return 0

    def peak(self) -> int:
        return self._peak

    def forget_peak(self) -> None:
        self._peak = 0

    def release(self) -> None:
        self.released += 1

    def train(self) -> None:
        self._peak = max(self._peak, self.training)

    def validate(self, rows: int | None) -> int:
        assert rows is not None
        if rows * self.a_row > self.room:
            kind = torch.OutOfMemoryError if self.said == "CUDA out of memory" else RuntimeError
            raise kind(self.said)
        self._peak = max(self._peak, rows * self.a_row)
        return rows


def epochs(batch: ValidationBatch, memory: DrawnMemory, number: int) -> list[int]:
    used = []
    for _ in range(number):
        batch.before_training()
        memory.train()
        used.append(batch.run(memory.validate))
    return used


def test_it_grows_into_the_memory_of_training_once_it_knows_a_rows_share() -> None:
    memory = DrawnMemory(training=3_200, a_row=5, room=10**6)
    assert epochs(ValidationBatch(64, memory), memory, 3) == [128, 512, 512]
    assert memory.released == 0


def test_out_of_memory_halves_it_for_good_and_loses_nothing() -> None:
    memory = DrawnMemory(training=10**6, a_row=5, room=500)
    batch = ValidationBatch(64, memory)
    assert epochs(batch, memory, 3) == [64, 64, 64]
    assert memory.released == 1


def test_so_does_a_library_that_finds_no_room_and_no_other_error() -> None:
    said = "GET was unable to find an engine to execute this computation"
    memory = DrawnMemory(training=10**6, a_row=5, room=500, said=said)
    assert epochs(ValidationBatch(64, memory), memory, 2) == [64, 64]
    memory = DrawnMemory(training=10**6, a_row=5, room=500, said="CUDA error: an illegal memory access")
    with pytest.raises(RuntimeError, match="illegal"):
        epochs(ValidationBatch(64, memory), memory, 1)
    assert memory.released == 0


def test_below_a_training_batch_it_still_halves() -> None:
    memory = DrawnMemory(training=10**6, a_row=50, room=500)
    assert epochs(ValidationBatch(64, memory), memory, 2) == [8, 8]


def test_one_row_that_does_not_fit_is_an_error() -> None:
    memory = DrawnMemory(training=10**6, a_row=600, room=500)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        epochs(ValidationBatch(4, memory), memory, 1)


def narrow(forward: Callable[..., Any], room: int, seen: list[int]) -> Callable[..., Any]:
    """A forward that runs out of memory above `room` rows."""

    def checked(images: torch.Tensor) -> Any:
        if not torch.is_grad_enabled():
            seen.append(len(images))
            if len(images) > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(images)

    return checked


def test_a_fold_run_whose_validation_runs_out_of_memory_goes_on(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, tight = classifier(dataset), classifier(dataset)
    seen: list[int] = []
    tight._validation_batch = ValidationBatch(12, DrawnMemory(10**6, 1, 10**6))
    monkeypatch.setattr(tight._network, "forward", narrow(tight._network.forward, 7, seen))
    expected, found = run(plain, 2), run(tight, 2)
    assert seen == [24, 12, 6, 6, 6, 6, 6, 6, 6, 6]  # 24 rows: twice too many, then four batches an epoch
    for (whole, answers), (halved, given) in zip(expected, found, strict=True):
        assert halved == pytest.approx(whole, abs=1e-6)
        assert given == pytest.approx(answers, abs=1e-6)


def test_on_a_cpu_nothing_is_caught_and_the_batches_stay(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = classifier(dataset)
    seen: list[int] = []
    monkeypatch.setattr(trained._network, "forward", narrow(trained._network.forward, 7, seen))
    with pytest.raises(torch.OutOfMemoryError):
        trained.run_epoch()
    assert seen == [24]


def test_the_answers_of_a_fold_go_to_the_host_at_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = classifier(dataset, tta="flip", validation_repeats=2)
    trained._validation_batch = ValidationBatch(4, DrawnMemory(10**6, 10**6, 10**9))
    copies: list[torch.Size] = []
    original = torch.Tensor.cpu

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        copies.append(tensor.shape)
        return original(tensor)

    trained._train_epoch()
    monkeypatch.setattr(torch.Tensor, "cpu", counted)
    trained._validate()
    assert copies == [torch.Size([3, 24, 3])]
    assert np.isfinite(trained.probabilities()).all()
