"""What share of its training time a fold run with one core keeps the device in the network's steps.

A step is forward, loss, backward and optimizer. Events in the device's own queue say when each begins and
ends; what lies between two steps is the device waiting for its next batch, or making it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.gpu.packing import case_data, config_of
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Case, Setting, deadline_of
from orchestrator.core.dataset import Dataset
from trainables.image_classifier import ImageClassifier
from trainables.optimisation.train_step import Step

Span = tuple[float, float]  # seconds
LONGER = 4  # times the rows that many fold runs together train
SKIPS = 2  # steps at an epoch's begin, in which the queue is still empty


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    shares = {}
    for case in setting.packed:
        if not deadline.allows(setting.window_s):
            recorder.cut(case.name)
            continue
        shares[case] = 100.0 * share_in_steps(case_data(setting, case, LONGER), case, setting)
        recorder.figure(case.name, "in the network's steps", shares[case] / 100.0, "training time, one core")
    if shares:
        worst = min(shares, key=lambda case: shares[case])
        recorder.check("step efficiency", shares[worst], worst.name)
    else:
        recorder.not_run("step efficiency", "no time was left")


def share_in_steps(made: Dataset, case: Case, setting: Setting) -> float:
    """Of training, 0 to 1: the median over epochs after the first."""
    run = ImageClassifier(made, 0, config_of(case), 1000, 0, setting.resources(1.0, 1))
    try:
        run.run_epoch()
        shares: list[float] = []
        began = time.perf_counter()
        while not shares or time.perf_counter() - began < setting.window_s / 2:
            with StepSpans(setting.device) as watch:
                run.run_epoch()
            shares.append(share_of(watch.spans()))
    finally:
        run.close()
    return statistics.median(shares)


def share_of(spans: Sequence[Span], skips: int = SKIPS) -> float:
    """Of the time from the first span's begin to the last one's end, the share inside of spans."""
    kept = spans[skips:] if len(spans) > skips + 1 else spans
    return sum(end - begin for begin, end in kept) / (kept[-1][1] - kept[0][0])


class StepSpans:
    """While open: when each training step began and ended, on the device."""

    def __init__(self, device: str) -> None:
        self._mark = _event if device == "cuda" else time.perf_counter
        self._marks: list[tuple[Any, Any]] = []
        self._patch: Any = None

    def __enter__(self) -> StepSpans:
        call: Callable[..., Any] = Step.__call__

        def watched(*args: Any, **kwargs: Any) -> Any:
            begin = self._mark()
            found = call(*args, **kwargs)
            self._marks.append((begin, self._mark()))
            return found

        self._patch = patch.object(Step, "__call__", watched)
        self._patch.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._patch.__exit__(*error)

    def spans(self) -> list[Span]:
        """Seconds since the first step began."""
        first = self._marks[0][0]
        if isinstance(first, float):
            return [(begin - first, end - first) for begin, end in self._marks]
        torch.cuda.synchronize()
        return [tuple(first.elapsed_time(mark) / 1000 for mark in pair) for pair in self._marks]  # type: ignore[misc]


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
