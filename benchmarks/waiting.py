"""A trainable whose epochs take a known time and use no processor: what else passes is the orchestrator's."""

from __future__ import annotations

import threading

import numpy as np

from benchmarks.no_op import NoOp

EPOCH_S = 10.0


class Waiting(NoOp):
    def run_epoch(self) -> dict[str, float]:
        threading.Event().wait(EPOCH_S)
        return super().run_epoch()

    def probabilities(self) -> np.ndarray:
        """Even over any number of classes."""
        return np.full_like(self._probabilities, 1.0 / self._probabilities.shape[1])
