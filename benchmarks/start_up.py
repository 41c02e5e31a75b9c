"""From the command to the first epoch: this tool against a loop of `@ray.remote` and stock Ray Tune ASHA.

    python -m benchmarks.start_up --source FOLDER --repeats 3

Each method of `benchmarks.peers` runs in turn as a process of its own and is ended at its first epoch. Said
are seconds from the start of the process to the begin of that epoch, the median over the repeats with the
ratio to the loop's, and for this tool when each of its own steps began. All import the same trainable in each
of their processes, so the ratio holds on another machine better than the seconds do.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.peers_data import decode_images, open_data
from benchmarks.peers_ours import main as search
from benchmarks.peers_ours import study_of
from benchmarks.peers_records import FOLDER, append, lines_of, spans
from benchmarks.peers_run import end_run
from benchmarks.peers_setting import Setting
from orchestrator.progress import hidden_bars

OURS, LOOP = "ours", "loop"
METHODS = (LOOP, "asha", OURS)
LIMIT_S, LOOK_S = 180.0, 0.05
STEPS = "steps"


@dataclass(frozen=True)
class Started:
    """One start. Seconds since the start of the process."""

    first_epoch: float
    steps: Mapping[str, float]  # what the tool says that it does -> when it began with it


def command_of(setting: Setting) -> list[str]:
    """Our own process is this module, which notes the steps."""
    module = "start_up" if setting.method == OURS else f"peers_{setting.method}"
    return [sys.executable, "-m", f"benchmarks.{module}", str(setting.write())]


def start(setting: Setting) -> Started:
    """Runs the method until its first epoch. Raises RuntimeError where none comes."""
    shutil.rmtree(setting.path, ignore_errors=True)
    shutil.rmtree(study_of(setting), ignore_errors=True)
    setting.path.mkdir(parents=True)
    environment = {
        **os.environ,
        FOLDER: setting.folder,
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with (setting.path / "log.txt").open("w") as log:
        started = replace(setting, started=time.time())
        process = subprocess.Popen(
            command_of(started), env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            return Started(_first_epoch(process, started) - started.started, _steps(started))
        finally:
            end_run(process, setting.path)


def _first_epoch(process: subprocess.Popen[bytes], setting: Setting) -> float:
    """Unix time of its begin: a record is written at an epoch's end."""
    while time.time() < setting.started + LIMIT_S:
        has_ended = process.poll() is not None  # before its records are read: what it wrote last counts, too
        if begins := [span.begin for span in spans(setting.path) if span.kind == "epoch"]:
            return min(begins)
        if has_ended:
            break
        time.sleep(LOOK_S)
    raise RuntimeError(f"{setting.method} has begun no epoch; see {setting.path / 'log.txt'}")


def _steps(setting: Setting) -> dict[str, float]:
    return {line["step"]: line["at"] - setting.started for line in lines_of(setting.path, STEPS)}


def noting_search(setting: Setting) -> None:
    """Our search as `benchmarks.peers_ours` has it, and each of its steps on file when it begins."""
    file = setting.path / f"{STEPS}-{os.getpid()}.jsonl"

    def note(step: str, done: int, total: int) -> None:
        if not total:
            append(file, {"step": step, "at": time.time()})

    with hidden_bars(note):
        search(setting, progress="bar")


def report(found: Mapping[str, Sequence[Started]]) -> list[str]:
    """A line for each method, and for each step of ours."""
    seconds = {method: median(item.first_epoch for item in starts) for method, starts in found.items()}
    lines = ["| method | first epoch, s | of the loop's |", "|---|---|---|"]
    lines += [f"| {name} | {at:.1f} | {at / seconds[LOOP]:.2f} |" for name, at in seconds.items()]
    steps = found[OURS][-1].steps
    lines += ["", "| step of the last start of ours | begins, s |", "|---|---|"]
    return lines + [f"| {name} | {at:.1f} |" for name, at in sorted(steps.items(), key=lambda item: item[1])]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--source", type=Path, help="the folder of Fashion-MNIST's four .gz files")
    add("--runs", type=Path, default=Path("runs/start_up"))
    add("--repeats", type=int, default=3)
    options = parser.parse_args(argv)
    runs = options.runs.resolve()
    decode_images(open_data("fashion", runs, options.source), 0, runs)
    found: dict[str, list[Started]] = {method: [] for method in METHODS}
    for repeat in range(options.repeats):
        for method in METHODS:
            found[method].append(
                start(Setting(method, "fashion", 0, 5, str(runs), str(runs / "start" / method)))
            )
            print(f"{method} {repeat + 1}: {found[method][-1].first_epoch:.1f} s", flush=True)
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print("\n".join(report(found)))


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].endswith("setting.json"):
        noting_search(Setting.of_command_line())
    else:
        main()
