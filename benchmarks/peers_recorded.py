"""What every method of `benchmarks.peers` trains: the project's image classifier, with a note of its time."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers_records import FOLDER, Span, append
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Config, Resources
from trainables.image_classifier import ImageClassifier


class Recorded(ImageClassifier):
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        begin = time.time()
        super().__init__(dataset, fold, config, max_epochs, seed, resources)
        self._note("build", begin)

    def run_epoch(self) -> dict[str, float]:
        begin = time.time()
        metrics = super().run_epoch()
        self._note("epoch", begin)
        return metrics

    def _note(self, kind: str, begin: float) -> None:
        span = Span(kind, begin, time.time(), self._fold, os.getpid())
        append(Path(os.environ[FOLDER]) / f"spans-{os.getpid()}.jsonl", asdict(span))
