"""Where the seconds of a fold run go, by clocks hung on torch and on the rooms' own doors.

The product knows nothing of it: functions are wrapped while a `Stopwatch` is open and put back afterwards.
A CPU's marks are numbers of a clock. A GPU's are events in its own queue, which say when the kernels around
them ran and not when they were queued; in parts that only the host works in the GPU stands still.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch

from orchestrator.execution.worker import FoldRunWorker
from trainables import image_classifier
from trainables.feed import fold_loader, stored_pixels
from trainables.image_classifier import ImageClassifier
from trainables.images.augment import Augmenter
from trainables.images.device_augment import DeviceAugmenter
from trainables.losses.label_objective import LabelObjective
from trainables.losses.objective import Objective
from trainables.network.network import Network
from trainables.optimisation.compiling import TrainingForward

Mark = Any
NETWORK = ("forward", "loss", "backward", "optimizer", "validation forward")
"""What a bare training loop would spend as well."""


class HostClock:
    """Marks are seconds of a clock."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.mark: Callable[[], Mark] = clock

    def between(self, begin: Mark, end: Mark) -> float:
        """Seconds."""
        return float(end - begin)

    def wait(self) -> None:
        """Until every mark can be read: a clock's can at once."""


class DeviceClock:
    """Marks are CUDA events on the current stream. Nothing waits before `wait`."""

    def mark(self) -> Mark:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, begin: Mark, end: Mark) -> float:
        return float(begin.elapsed_time(end)) / 1000.0

    def wait(self) -> None:
        torch.cuda.synchronize()


@dataclass
class _Call:
    name: str
    begin: Mark
    end: Mark = None
    inner: list[_Call] = field(default_factory=list)


class Stopwatch:
    """Exclusive seconds by part of the thread that trains; a part inside another counts for itself alone."""

    def __init__(self, clock: HostClock | DeviceClock | None = None) -> None:
        self._clock = clock or HostClock()
        self._calls: list[_Call] = []
        self._open: list[_Call] = []  # under way, the innermost last
        self._stack = ExitStack()
        self._thread = threading.get_ident()

    def __enter__(self) -> Stopwatch:
        def forward_name(network: Network, *_: Any) -> str:
            return "forward" if torch.is_grad_enabled() else "validation forward"

        self._hang(Network, "__call__", forward_name)
        self._hang(TrainingForward, "__call__", "forward")  # compiled, it does not call the network
        for objective in (Objective, LabelObjective):
            self._hang(objective, "loss", "loss")
        self._hang(torch.Tensor, "backward", "backward")
        for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
            self._hang(kind, "step", "optimizer")
            self._hang(kind, "zero_grad", "optimizer")
        for augmenter in (Augmenter, DeviceAugmenter):
            self._hang(augmenter, "__call__", "augmentation")
        self._hang(fold_loader, "mix_batch", "mixing")
        self._hang(fold_loader, "to_tensor", "reading and copying images")
        for name in ("epoch_scores", "log_loss"):
            self._hang(image_classifier, name, "metrics")
        self._hang(ImageClassifier, "_check_finite", "looking at the loss")
        self._hang(ImageClassifier, "weights", "serialising")
        self._hang(ImageClassifier, "state", "serialising")
        self._hang(FoldRunWorker, "_store_epoch", "writing")
        for room in (fold_loader, stored_pixels):
            self._hang_on_batches(room)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def seconds(self) -> dict[str, float]:
        """By part, once all that was queued has run."""
        self._clock.wait()
        found: dict[str, float] = defaultdict(float)
        for call in self._calls:
            took = self._clock.between(call.begin, call.end)
            found[call.name] += took - sum(self._clock.between(item.begin, item.end) for item in call.inner)
        return found

    def timed(self, name: str, call: Callable[[], Any]) -> Any:
        if threading.get_ident() != self._thread:
            return call()  # a loader's thread: what of it the training waits for counts as batches
        own = _Call(name, self._clock.mark())
        if self._open:
            self._open[-1].inner.append(own)
        self._open.append(own)
        try:
            return call()
        finally:
            own.end = self._clock.mark()
            self._calls.append(self._open.pop())

    def _hang(self, owner: Any, attribute: str, name: str | Callable[..., str]) -> None:
        original = getattr(owner, attribute)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            part = name if isinstance(name, str) else name(*args)
            return self.timed(part, lambda: original(*args, **kwargs))

        self._stack.enter_context(patch.object(owner, attribute, wrapped))

    def _hang_on_batches(self, room: Any) -> None:
        original = room.in_order

        def wrapped(*args: Any) -> Iterator[Any]:
            batches, nothing = original(*args), object()
            while (batch := self.timed("batches", lambda: next(batches, nothing))) is not nothing:
                yield batch

        self._stack.enter_context(patch.object(room, "in_order", wrapped))
