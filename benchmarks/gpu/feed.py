"""Images a second of one fold run, over the same network fed from device memory and over timm's own loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.gpu import bare, data
from benchmarks.gpu.packing import case_data, config_of
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Case, Deadline, Setting, deadline_of
from benchmarks.gpu.timm_loop import timm_rate
from orchestrator.core.dataset import Dataset
from trainables.image_classifier import ImageClassifier

ALONE = "the network alone, fed from device memory"
WAYS: Mapping[str, Mapping[str, Any]] = {
    "fold run, augmented on the device": {"augment_on": "device"},
    "fold run, augmented on the CPU": {"augment_on": "cpu"},
}
LONGER = 4  # an epoch's begin, when nothing is ready yet, counts in both loops
TIMM = "timm's own loop"


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    recorder.note(f"one fold run on {setting.cpus} cores, timm's loop with as many worker processes")
    for case in setting.fed:
        if deadline.allows(4 * setting.window_s):
            _one_case(case, setting, deadline, recorder)
        else:
            recorder.cut(case.name)


def _one_case(case: Case, setting: Setting, deadline: Deadline, recorder: Recorder) -> None:
    made, seconds = case_data(setting, case, LONGER), setting.window_s / 2
    alone = bare.rate(bare.eager(case, setting.device), setting.device, seconds)
    bare.free(setting.device)
    recorder.figure(case.name, ALONE, 1.0, ALONE, alone, "images/s")
    rates = {}
    for what, more in WAYS.items():
        rates[what] = fold_run_rate(made, case, setting, seconds, more)
        recorder.figure(case.name, what, rates[what] / alone, ALONE, rates[what], "images/s")
    if not deadline.allows(seconds):
        recorder.cut(f"{case.name}: {TIMM}")
        return
    try:
        timm = timm_rate(made, case, setting, seconds)
    except RuntimeError as error:  # of its worker processes: too little of /dev/shm, for example
        recorder.note(f"{case.name}: {TIMM} NOT RUN: {error}")
        return
    recorder.figure(case.name, TIMM, timm / alone, ALONE, timm, "images/s")
    best = max(rates.values())
    recorder.figure(case.name, "the faster of both fold runs", best / timm, TIMM, best, "images/s")


def fold_run_rate(
    made: Dataset,
    case: Case,
    setting: Setting,
    seconds: float,
    more: Mapping[str, Any],
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Images a second of training, as the fold run says them, of epochs after the first."""
    config = config_of(case, **more)
    run = ImageClassifier(made, 0, config, 1000, 0, setting.resources(1.0, setting.cpus))
    rows = data.rows_per_epoch(made, 0, case.batch)
    try:
        run.run_epoch()
        began, trained, took = clock(), 0, 0.0
        while trained == 0 or clock() - began < seconds:
            took += rows / run.run_epoch()["images_per_second"]
            trained += rows
    finally:
        run.close()
    return trained / took
