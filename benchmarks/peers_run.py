"""One run of one method: its process, the clock, and what it could have handed in at each mark."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.peers_ours import study_of
from benchmarks.peers_records import FOLDER
from benchmarks.peers_setting import Setting
from orchestrator.study.journal import FILE as JOURNAL

METHODS = {
    "loop": "the loop", "asha": "stock ASHA", "optuna": "Optuna", "ours": "this tool",
    "told": "this tool, told the grid",
}  # fmt: skip
OWN = ("ours", "told")
END_S = 20
"""Seconds a method has to end in once it was told to; what it does in them counts for nothing."""


@dataclass(frozen=True)
class Ended:
    """How a run's process ended."""

    seconds: float  # from its start to its end
    by_itself: bool
    log: Path


def run_method(setting: Setting, marks: Sequence[float]) -> tuple[Setting, Ended]:
    """Runs it for its minutes; at each mark (minutes) our study is copied as it stands.

    The setting that comes back has the moment of the start. Raises RuntimeError for a process that fails.
    """
    for left in (setting.path, study_of(setting)):
        shutil.rmtree(left, ignore_errors=True)
    setting.path.mkdir(parents=True)
    log = setting.path / "log.txt"
    environment = {
        **os.environ, FOLDER: str(setting.path.resolve()), "OMP_NUM_THREADS": "1",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0",
    }  # fmt: skip
    with log.open("w") as output:
        started = replace(setting, started=time.time())
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.peers_{setting.method}", str(started.write())],
            env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            # A benchmark in the background of a script would hand on that Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        try:
            for mark in marks:
                _wait(process, started.started + 60 * mark)
                if setting.method in OWN:
                    snapshot(study_of(setting), setting.path / "snapshots" / f"{mark:g}")
            by_itself = _wait(process, started.started + 60 * setting.minutes + 1)
        finally:
            end_run(process, setting.path.resolve())
    seconds = time.time() - started.started
    if (process.returncode and seconds < 60 * setting.minutes) or not list(setting.path.glob("spans-*")):
        raise RuntimeError(
            f"{setting.method} ended with {process.returncode} after {seconds:.0f} s; see {log}"
        )
    return started, Ended(seconds, by_itself, log)


def snapshot(study: Path, copy: Path) -> None:
    """The study as it lies there now: what was written under its final name is never changed, so is linked.

    The journal grows, so it is copied, between two rounds of links: what it refers to is in one of them.
    """
    copy.mkdir(parents=True)
    _link(study, copy)
    if (study / JOURNAL).exists():
        shutil.copy(study / JOURNAL, copy / JOURNAL)
    _link(study, copy)


def _link(study: Path, copy: Path) -> None:
    for folder, _, names in os.walk(study):
        there = copy / Path(folder).relative_to(study)
        there.mkdir(exist_ok=True)
        for name in names:
            if name in (JOURNAL, "lock") or name.endswith(".part"):
                continue
            with contextlib.suppress(FileExistsError, FileNotFoundError):  # there already, or superseded
                os.link(Path(folder) / name, there / name)


def _wait(process: subprocess.Popen[bytes], until: float) -> bool:
    """Until then or until its end; whether it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(until - time.time(), 0))
    return process.poll() is not None


def end_run(process: subprocess.Popen[bytes], folder: Path) -> None:
    """As Ctrl-C does; then the hard way. Nothing of it may run beside the next method, Ray's own included."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGINT)
        _wait(process, time.time() + END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until = time.time() + END_S
    while left := processes_of(folder):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.time() > until:
            raise RuntimeError(f"processes {left} of {folder} do not end")
        time.sleep(0.1)


def processes_of(folder: Path) -> list[int]:
    """Those that inherited a run's environment, whoever started them."""
    mark, found = f"{FOLDER}={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another account's, or it has ended
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found
