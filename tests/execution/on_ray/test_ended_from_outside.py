"""A search that is killed, or asked by a signal to end, and goes on with --resume."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.study.study import Study
from tests.support.helpers import check_consistent, curves, journal
from tests.support.nodes import below, trains
from tests.support.tune_command import ROOT, command, resume, run

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]  # many commands, one after another
SLACK = 8  # events that a driver may be ahead of who ends it
HELD = """
import sys, threading
from orchestrator.core.events import Closed
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main

append, most = Study.append, [int(sys.argv[1])]

def held(study, *events):
    if most and len(study.events) >= most[0] and not isinstance(events[0], Closed):
        most.clear()
        threading.Event().wait()
    append(study, *events)

Study.append = held
sys.exit(main(sys.argv[2:]))
"""


def held(tune: list[str], lines: int) -> list[str]:
    """The command, which waits to be ended once its journal has a few more lines: however late it is looked
    at, it is not done by then."""
    return [sys.executable, "-c", HELD, str(lines + SLACK), *tune[3:]]


def kill_when(
    process: subprocess.Popen[str], study: Path, lines: int, before: Callable[[], None] = lambda: None
) -> bool:
    """SIGKILL once the journal has that many lines; False: the command ended before."""
    path = study / "journal.jsonl"
    while process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            before()
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return True
        pause(process)
    return False


def trainers(driver: int) -> list[int]:
    """Processes below the driver that run legs."""
    return [pid for pid in below(driver) if trains(pid)]


def pause(process: subprocess.Popen[str]) -> None:
    """Leaves the processor to the command for a moment, or returns at once when it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.02)


def test_a_driver_killed_at_random_moments_loses_nothing(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    """Ten kills of drivers with a Ray of their own, each followed by --resume."""
    space_file.write_text(space_file.read_text().replace("2.0)}", '2.0), "epoch_seconds": 0.02}'))
    whole = run(command(space_file, faces, tmp_path, "--study", "whole", "--inline"))
    assert whole.returncode == 0, whole.stderr
    rng, study, lines, kills = random.Random(5), tmp_path / "cut", 0, 0
    arguments = command(space_file, faces, tmp_path, "--study", "cut", "--inline")
    before: list[dict[str, object]] = []
    for _ in range(10):
        lines += rng.randint(4, 14)
        with subprocess.Popen(
            held(arguments, lines), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            kills += kill_when(process, study, lines)
        now = journal_so_far(study)
        assert now[: len(before)] == before
        before = now
        arguments = resume(tmp_path, "cut", "--inline")
    assert kills >= 5
    assert run(arguments).returncode == 0
    check_consistent(study, folds=3, max_t=4)
    assert curves(study) == curves(tmp_path / "whole")
    assert Study(study).complete_trials() == Study(tmp_path / "whole").complete_trials()


def journal_so_far(study: Path) -> list[str]:
    """Whole lines only: a killed driver may leave a torn last one."""
    path = study / "journal.jsonl"
    text = path.read_text() if path.exists() else ""
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_a_driver_killed_on_ray_leaves_no_fold_run_behind_and_is_resumed(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    slots: list[int] = []
    arguments = command(space_file, faces, tmp_path, "--study", "a", "--set", "epoch_seconds=0.05")
    with subprocess.Popen(
        held(arguments, 30), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert kill_when(process, tmp_path / "a", 30, before=lambda: slots.extend(trainers(process.pid)))
    assert slots
    while any(map(trains, slots)):  # they notice by themselves; nobody may go on writing to the study
        time.sleep(0.1)
    resumed = run(resume(tmp_path, "a"))
    assert resumed.returncode == 0, resumed.stderr
    check_consistent(tmp_path / "a", folds=3, max_t=4)
    assert len(Study(tmp_path / "a").complete_trials()) >= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_asks_to_end_saves_and_prints_how_to_go_on_however_often_it_comes(
    number: signal.Signals, space_file: Path, faces: Path, tmp_path: Path
) -> None:
    """Ray takes SIGTERM over when it starts; the command must have it back."""
    arguments = command(space_file, faces, tmp_path, "--study", "a", "--set", "epoch_seconds=0.2")
    with subprocess.Popen(
        held(arguments, 40), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        path = tmp_path / "a" / "journal.jsonl"
        while process.poll() is None and not (path.exists() and path.read_bytes().count(b"epoch_ended") >= 4):
            pause(process)
        while process.poll() is None:  # also while Ray ends, which would leave SIGTERM to the system
            process.send_signal(number)
            pause(process)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "--resume --study a" in output
    assert journal(tmp_path / "a")[-1]["outcome"] == "interrupted"
    resumed = run(resume(tmp_path, "a", "--inline"))
    assert resumed.returncode == 0, resumed.stderr
    check_consistent(tmp_path / "a", folds=3, max_t=4)
