"""How many rows are validated at once: on a GPU as many as fit into the memory that training took anyway.

A pass without gradients keeps a layer or two of a batch's activations where training keeps them all, so the
batch may be several times that of training; larger batches keep a GPU busier. A CPU gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch

from orchestrator.core.failure_causes import is_gpu_memory

T = TypeVar("T")

FIRST = 2  # training batches in the first validation batch of a fold run: safe where training fitted
LARGEST = 2048  # rows; beyond that nothing is gained
MARGIN = 0.8  # share of training's memory that a validation batch is planned to need


class PeakMemory(Protocol):
    """The memory of one GPU that this process holds tensors in."""

    def held(self) -> int:
        """Bytes of the tensors that exist now."""
        ...

    def peak(self) -> int:
        """The most bytes that existed at a time since `forget_peak`."""
        ...

    def forget_peak(self) -> None: ...

    def release(self) -> None:
        """Gives what no tensor lies in back to the driver, so that a failed attempt leaves nothing behind."""
        ...


class CudaMemory:
    """Keeps `PeakMemory`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def held(self) -> int:
        return torch.cuda.memory_allocated(self._device)

    def peak(self) -> int:
        return torch.cuda.max_memory_allocated(self._device)

    def forget_peak(self) -> None:
        torch.cuda.reset_peak_memory_stats(self._device)

    def release(self) -> None:
        torch.cuda.empty_cache()


def rows_that_fit(rows: int, used: int, budget: int, least: int, most: int) -> int:
    """Rows of a batch that needs `MARGIN` of `budget` bytes, where one of `rows` needed `used` bytes.

    A power of two times `least`, the rows of a training batch, and at most `most` where that is more than
    `least`.
    """
    wanted = most if used <= 0 else min(most, int(rows * MARGIN * budget / used))
    size = least
    while 2 * size <= wanted:
        size *= 2
    return size


class ValidationBatch:
    """The rows of a fold run's validation batches, from epoch to epoch.

    memory None: a CPU, where the loader's own batches stay and nothing is caught.
    """

    def __init__(self, training_batch: int, memory: PeakMemory | None) -> None:
        self._least, self._most, self._memory = training_batch, max(training_batch, LARGEST), memory
        self.rows = None if memory is None else min(FIRST * training_batch, self._most)
        self._budget = 0

    def before_training(self) -> None:
        if self._memory is not None:
            self._memory.forget_peak()

    def run(self, validate: Callable[[int | None], T]) -> T:
        """`validate(rows of a batch)`, again with half as many as long as the GPU's memory is too small.

        Raises torch.OutOfMemoryError where a single row is too much.
        """
        if self._memory is None or self.rows is None:
            return validate(None)
        budget = self._memory.peak() - self._memory.held()
        self._memory.forget_peak()
        while True:
            try:
                found = validate(self.rows)
                break
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                is_memory = isinstance(error, torch.OutOfMemoryError) or is_gpu_memory(str(error))
                if not is_memory or self.rows == 1:
                    raise
            # Here and not above: until then the traceback holds the tensors of the attempt.
            self.rows = self._most = max(1, self.rows // 2)
            self._memory.release()
        self._learn(budget)
        return found

    def _learn(self, budget: int) -> None:
        """Plans the next validation by the memory that this one took."""
        assert self._memory is not None and self.rows is not None
        used = self._memory.peak() - self._memory.held()
        if self._most >= self._least:
            self.rows = rows_that_fit(self.rows, used, budget, self._least, self._most)
