"""`compile=reduce-overhead` beside eager steps: the same curves, how much faster, and after how long."""

from __future__ import annotations

import statistics

from benchmarks.gpu import data
from benchmarks.gpu.correctness import CurveOf, Runs, curve_distance, losses, over, share_left
from benchmarks.gpu.packing import config_of, used
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting, deadline_of
from trainables.images.image_store import build_store

EAGER, COMPILED = "none", "reduce-overhead"


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    faces = data.dataset(setting)
    build_store(faces, setting.learns.size)
    runs = Runs(setting, faces, config_of(setting.learns, lr=3e-3))
    way = EAGER if setting.dry else COMPILED  # a dry run would compile for longer than all else takes
    eager, seed = runs.timed(compile=EAGER), runs.timed(seed=1, compile=EAGER)
    before = used(setting.device)
    compiled = runs.timed(compile=way)
    left = used(setting.device) - before
    _judge_memory(setting, left, recorder)
    _speed(setting, eager, compiled, recorder)
    band = curve_distance(losses(eager.curve), losses(seed.curve))
    distances = {"plain": curve_distance(losses(eager.curve), losses(compiled.curve))}
    if deadline.left > 0:
        pair = [runs.timed(accumulate=2, compile=name).curve for name in (EAGER, way)]
        distances["accumulated, in the same process"] = curve_distance(*map(losses, pair))
    else:
        recorder.cut("accumulated steps, and a second fold run that compiles in the same process")
    worst = max(distances, key=lambda name: distances[name])
    if setting.dry:
        recorder.not_run("compiled", "a dry run compiles nothing")
        return
    recorder.check(
        "compiled", over(distances[worst], band), f"{worst} {distances[worst]:.3f}, seeds {band:.3f}"
    )


def _judge_memory(setting: Setting, left: float, recorder: Recorder) -> None:
    if setting.dry:
        recorder.not_run("compiled memory returned", "a dry run compiles nothing")
    else:
        recorder.check("compiled memory returned", share_left(left, left), f"{left / 2**20:.0f} MiB are left")


def _speed(setting: Setting, eager: CurveOf, compiled: CurveOf, recorder: Recorder) -> None:
    """Of epochs after the first, in which what compiles has compiled."""
    rates = [
        statistics.median(epoch["images_per_second"] for epoch in run.curve[1:]) for run in (eager, compiled)
    ]
    first = compiled.seconds[0] - statistics.median(compiled.seconds[1:])
    case = setting.learns.name
    recorder.figure(case, "compiled", rates[1] / rates[0], "eager steps", rates[1], "images/s")
    recorder.note(f"{case}: the first epoch took {first:.1f} s longer than the others")
