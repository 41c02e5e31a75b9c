"""A share of a GPU that was too small is told in the words of several libraries; what filled it is let go."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from orchestrator.core.events import Leg, LegFailed
from orchestrator.core.trainable import Resources
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore
from orchestrator.testing import toy_dataset
from tests.pixel_trainable import PixelTrainable

WORDS = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Activations:
    """Stands for a tensor on the GPU."""


class Full(PixelTrainable):
    """Its step fails in the middle of a forward pass."""

    said = WORDS
    seen: weakref.ref[Activations] | None = None
    was_free: bool | None = None  # when it was closed

    def run_epoch(self) -> dict[str, float]:
        try:
            self._forward(Activations())
        except RuntimeError as error:
            raise RuntimeError(type(self).said) from error
        raise AssertionError

    def _forward(self, held: Activations) -> None:
        type(self).seen = weakref.ref(held)
        raise RuntimeError("a layer")

    def close(self) -> None:
        """Where the image classifier gives the GPU's memory back."""
        assert self.seen is not None  # it trained
        type(self).was_free = type(self).seen() is None
        super().close()


def outcome(folder: Path, gpus: float, monkeypatch: pytest.MonkeyPatch, said: str = WORDS) -> LegFailed:
    monkeypatch.setattr(Full, "said", said)
    data, store = toy_dataset(folder / "images"), DirectoryStore(folder / "store")
    worker = FoldRunWorker(data, f"{__name__}:Full", store, Resources(1, gpus))
    worker.start(LegAssignment(Leg(0, 1, 0, 2), {"lr": 0.5}, 2, 0, None))
    found = worker.step()
    assert isinstance(found, LegFailed)
    return found


def test_what_a_failed_step_held_is_gone_before_the_memory_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that waits for its next leg keeps from its neighbours what it ran out of."""
    gc.disable()
    try:
        failed = outcome(tmp_path, 0.5, monkeypatch)
    finally:
        gc.enable()
    assert Full.was_free
    assert "_forward" in failed.traceback and "a layer" in failed.traceback


@pytest.mark.parametrize(
    "said",
    [
        WORDS,
        "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "FIND was unable to find an engine to execute this computation after trying 7 plans.",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_a_library_that_finds_no_room_asks_for_a_larger_share(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome(tmp_path / "part", 0.5, monkeypatch, said).failure == "memory"
    assert outcome(tmp_path / "whole", 1.0, monkeypatch, said).failure == "exception"


def test_another_error_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "CUDA error: device-side assert triggered"
    assert outcome(tmp_path, 0.5, monkeypatch, said).failure == "exception"
