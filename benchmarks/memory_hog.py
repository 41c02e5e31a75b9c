"""A study beside a process that takes most of the memory: it ends with the leaderboard of an undisturbed one.

    python -m benchmarks.memory_hog

The machine is not really filled: Ray's threshold (RAY_memory_usage_threshold), which is what ends processes,
is set so low that `--room` GB are free, of which the hog takes a share of 80%, holds it for some seconds and
leaves, again and again (`--hogs`). Two slots, fold runs of 0.3 to 0.4 GB each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.demo.faces import make_demo_faces
from orchestrator.study.study import Study

GB = 10**9
SPACE = '''"""Drawn curves, held in memory."""
from orchestrator.space import SearchSpace, categorical, uniform

space = SearchSpace(
    trainable="benchmarks.ballast:Ballast", target=categorical("gender", ["male", "female"]), group="id",
    params={"skill": uniform(0.05, 0.6)}, folds=3, trials=12, max_t=9, finalists=2,
)
'''
HOG = """
import sys, time
size, seconds = int(sys.argv[1]), float(sys.argv[2])
held = []
while sum(map(len, held)) < size:
    held.append(bytearray(b"x" * 20_000_000))
    time.sleep(0.01)
time.sleep(seconds)
"""


@dataclass(frozen=True)
class Setting:
    room: float  # GB that are free for Ray when the study begins
    share: float  # of it that the hog takes
    hogs: int
    holds_s: float


def used_and_total() -> tuple[int, int]:
    """Bytes, as Ray counts them."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return found["MemTotal"] - found["MemAvailable"], found["MemTotal"]


@contextlib.contextmanager
def search(folder: Path, data: Path, name: str, room: float | None) -> Iterator[subprocess.Popen[bytes]]:
    """A study of two slots on a Ray of its own; room: GB for it and its neighbours, None: what there is."""
    environment = {**os.environ, "RAY_memory_monitor_refresh_ms": "100"}
    if room is not None:
        used, total = used_and_total()
        environment["RAY_memory_usage_threshold"] = f"{(used + room * GB) / total:.4f}"
    space = folder / "held.py"
    space.write_text(SPACE)
    words = ["--space", str(space), "--data", str(data), "--runs", str(folder), "--study", name]
    two_slots = ["--cpus-per-fold-run", str(max(1, (os.cpu_count() or 2) // 2))]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.tune", *words, *two_slots],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def told(study: Path, kind: str) -> list[dict[str, Any]]:
    path = study / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [event for line in lines if line.endswith("\n") and (event := json.loads(line))["event"] == kind]


def wait_for_epochs(study: Path, process: subprocess.Popen[bytes], epochs: int) -> bool:
    """Whether so many more were reported before the study ended."""
    target = len(told(study, "epoch_ended")) + epochs
    while process.poll() is None:
        if len(told(study, "epoch_ended")) >= target:
            return True
        time.sleep(0.2)
    return False


def disturb(study: Path, process: subprocess.Popen[bytes], setting: Setting) -> int:
    """Lets hogs come and go beside the study; how many came."""
    came = 0
    for _ in range(setting.hogs):
        if not wait_for_epochs(study, process, 4):
            break
        size = str(int(setting.share * setting.room * GB))
        hog = subprocess.Popen([sys.executable, "-c", HOG, size, str(setting.holds_s)])
        came += 1
        while hog.poll() is None and process.poll() is None:
            time.sleep(0.2)
        hog.kill()
        hog.wait()
    process.wait()
    return came


def board(study: Path) -> pd.DataFrame:
    """What there is to win: complete trials with their scores, best first."""
    found = Study(study).leaderboard()
    complete: pd.DataFrame = found[found["state"] == "COMPLETE"][["trial", "score", "folds_complete"]]
    return complete.reset_index(drop=True)


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m benchmarks.memory_hog", description=__doc__.split("\n")[0])
    made.add_argument("--room", type=float, default=2.5, help="GB that are free (default: 2.5)")
    made.add_argument("--share", type=float, default=0.8, help="of it that the hog takes (default: 0.8)")
    made.add_argument("--hogs", type=int, default=3, help="how many come, one after another (default: 3)")
    made.add_argument("--seconds", type=float, default=20, help="that each holds its memory (default: 20)")
    given = made.parse_args()
    setting = Setting(given.room, given.share, given.hogs, given.seconds)
    with tempfile.TemporaryDirectory() as name:
        return _compare(Path(name), setting)


def _compare(folder: Path, setting: Setting) -> int:
    data = make_demo_faces(folder / "faces", 0, 30, 2, 32) / "train"
    began = time.monotonic()
    with search(folder, data, "alone", None) as process:
        process.wait()
    alone_s, began = time.monotonic() - began, time.monotonic()
    with search(folder, data, "beside", setting.room) as process:
        came = disturb(folder / "beside", process, setting)
    beside_s = time.monotonic() - began
    failures = Counter(event["failure"] for event in told(folder / "beside", "leg_failed"))
    out = sum(event["action"] == "FAIL" for event in told(folder / "beside", "decided"))
    same = process.returncode == 0 and board(folder / "alone").equals(board(folder / "beside"))
    print(f"{platform.machine()}, {os.cpu_count()} cores; {setting}")
    print(f"alone {alone_s:.0f} s, beside {came} hogs {beside_s:.0f} s ({beside_s / alone_s:.2f} times)")
    print(f"fold runs that were ended: {dict(failures) or 'none'}; trials that failed: {out}")
    log = (folder / "beside.log").read_text().splitlines()
    for line in [line for line in log if line.startswith("node ")]:
        print(f"  {line}")
    print(f"leaderboard: {'equal' if same else 'ANOTHER'}")
    if not same:
        print(board(folder / "alone"), board(folder / "beside"), "\n".join(log[-30:]), sep="\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
