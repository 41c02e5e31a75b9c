"""Runs stages one after another, each in a process group of its own that cannot spoil the next."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.gpu.budget import Grant, grant
from benchmarks.gpu.records import BROKEN, CUT, DONE, OVER, StageResult, read_records, result_of
from benchmarks.gpu.stages import Stage
from orchestrator.core.text import on_one_line, shown

FOLDS_UP_S = 8.0  # for a stage to end its own processes before they are killed


def run_all(
    stages: Sequence[Stage],
    seconds: float,
    folder: Path,
    dry: bool,
    full: bool,
    environment: Mapping[str, str],
    begins: Callable[[Stage, float], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[StageResult]:
    """Every stage's result as it comes, also of those that were cut.

    begins(stage, seconds at most): called before each that is not.

    folder: for records and for what stages print, one file of each. environment: of their processes.
    """
    ends_at = clock() + seconds
    for stage in stages:
        allowed = grant(stage.wanted(dry, full), stage.least, ends_at - clock())
        if allowed is None:
            yield result_of(stage.name, stage.checks, CUT, 0.0, ())
            continue
        begins(stage, allowed.ends_s)
        yield run_one(stage, allowed, folder, dry, full, environment, clock)


def run_one(
    stage: Stage,
    allowed: Grant,
    folder: Path,
    dry: bool,
    full: bool,
    environment: Mapping[str, str],
    clock: Callable[[], float] = time.monotonic,
) -> StageResult:
    records, log = folder / f"{stage.name}.jsonl", folder / f"{stage.name}.log"
    command = [sys.executable, "-m", "benchmarks.gpu.stage", stage.entry]
    command += ["--seconds", f"{allowed.measures_s:.1f}", "--name", stage.name]
    command += ["--folder", str(folder)]
    command += ["--dry-run"] * dry + ["--full"] * full
    began = clock()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=environment
        )
        try:
            code: int | None = process.wait(allowed.ends_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_group(process)
    ended = DONE if code == 0 else OVER if code is None else BROKEN
    error = "" if code == 0 else error_line(log, code, allowed.ends_s)
    return result_of(stage.name, stage.checks, ended, clock() - began, read_records(records), error)


def stage_environment(dry: bool, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """As a slot's process has it; a dry run sees no GPU, so that it is the same on every machine."""
    from orchestrator.execution.on_ray.cluster import WORKER_ENVIRONMENT

    made = {**base, **WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    # The package that this process runs is the one that stages run, wherever they are started.
    here = str(Path(__file__).parents[2])
    made["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [base.get("PYTHONPATH")])])
    if dry:
        made["CUDA_VISIBLE_DEVICES"] = ""
    return made


def end_group(process: subprocess.Popen[bytes]) -> None:
    """What the stage's process group still runs is asked to end, then killed; it holds nothing else."""
    for number, patience in ((signal.SIGTERM, FOLDS_UP_S), (signal.SIGKILL, FOLDS_UP_S)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    process.wait()


def error_line(log: Path, code: int | None, limit_s: float) -> str:
    """The last line that the stage printed, for a person to see what ended it."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = shown(on_one_line(lines[-1]))[:300] if lines else "it printed nothing"
    if code is None:
        return f"it was ended after its limit of {limit_s:.0f} s; its last line: {last}"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how}: {last}"
