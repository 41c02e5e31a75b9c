"""Where the seconds of a fold run go, by clocks hung on torch and on the rooms' own doors.

The product knows nothing of it: functions are wrapped while a `Stopwatch` is open and put back afterwards.
On a GPU the clocks would see kernels being queued, not run; they are meant for a CPU.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch

from orchestrator.execution.worker import FoldRunWorker
from trainables import image_classifier
from trainables.feed import fold_loader as feed
from trainables.image_classifier import ImageClassifier
from trainables.images.augment import Augmenter
from trainables.losses.objective import Objective
from trainables.network.network import Network

NETWORK = ("forward", "loss", "backward", "optimizer", "validation forward")
"""What a bare training loop would spend as well."""


class Stopwatch:
    """Exclusive seconds by part of the thread that trains; a part inside another counts for itself alone."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[float] = []  # seconds spent inside, for each call under way
        self._stack = ExitStack()
        self._thread = threading.get_ident()

    def __enter__(self) -> Stopwatch:
        def forward_name(network: Network, *_: Any) -> str:
            return "forward" if torch.is_grad_enabled() else "validation forward"

        self._hang(Network, "__call__", forward_name)
        self._hang(Objective, "loss", "loss")
        self._hang(torch.Tensor, "backward", "backward")
        for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
            self._hang(kind, "step", "optimizer")
            self._hang(kind, "zero_grad", "optimizer")
        self._hang(Augmenter, "__call__", "augmentation")
        self._hang(feed, "mix_batch", "mixing")
        self._hang(feed, "to_tensor", "reading and copying images")
        for name in ("macro_f1", "accuracy", "score"):
            self._hang(image_classifier, name, "metrics")
        self._hang(ImageClassifier, "_check_finite", "looking at the loss")
        self._hang(ImageClassifier, "weights", "serialising")
        self._hang(ImageClassifier, "state", "serialising")
        self._hang(FoldRunWorker, "_store_epoch", "writing")
        self._hang_on_batches()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def timed(self, name: str, call: Callable[[], Any]) -> Any:
        if threading.get_ident() != self._thread:
            return call()  # a loader's thread: what of it the training waits for counts as batches
        self._open.append(0.0)
        started = self._clock()
        try:
            return call()
        finally:
            took = self._clock() - started
            self.seconds[name] += took - self._open.pop()
            if self._open:
                self._open[-1] += took

    def _hang(self, owner: Any, attribute: str, name: str | Callable[..., str]) -> None:
        original = getattr(owner, attribute)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            part = name if isinstance(name, str) else name(*args)
            return self.timed(part, lambda: original(*args, **kwargs))

        self._stack.enter_context(patch.object(owner, attribute, wrapped))

    def _hang_on_batches(self) -> None:
        original = feed.in_order

        def wrapped(*args: Any) -> Iterator[Any]:
            batches, nothing = original(*args), object()
            while (batch := self.timed("batches", lambda: next(batches, nothing))) is not nothing:
                yield batch

        self._stack.enter_context(patch.object(feed, "in_order", wrapped))
