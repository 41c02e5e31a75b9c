"""`python -m benchmarks.gpu --dry-run` as a user gives it: every stage runs on a CPU, so that none rots."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu.limits import LIMITS, NOT_RUN, PASS
from benchmarks.gpu.stages import STAGES

LONGEST_MIN = 25
"""Idle, it takes two; beside other tests it must not be cut. The limit is for a stage that hangs."""
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.torch,
    pytest.mark.timeout(60 * LONGEST_MIN + 120),
]
ROOT = Path(__file__).parents[2]
SHOWN_ON_A_CPU = {name for name, limit in LIMITS.items() if limit.on_cpu} - {"epochs lost"}  # no GPU's memory


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    called = [sys.executable, "-m", "benchmarks.gpu", *words]
    return subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("gpu")
    return folder, command(folder, "--dry-run", "--logs", "logs", "--minutes", str(LONGEST_MIN))


@pytest.fixture(scope="module")
def found(done: tuple[Path, subprocess.CompletedProcess[str]]) -> dict[str, Any]:
    folder, process = done
    assert (folder / "gpu.json").exists(), process.stderr
    report: dict[str, Any] = json.loads((folder / "gpu.json").read_text())
    return report


def test_every_stage_runs_to_its_end(
    done: tuple[Path, subprocess.CompletedProcess[str]], found: dict[str, Any]
) -> None:
    ends = {stage["stage"]: (stage["ended"], stage["error"]) for stage in found["stages"]}
    assert ends == {stage.name: ("done", "") for stage in STAGES}
    assert done[1].returncode == 0, done[1].stdout


def test_what_a_cpu_can_show_is_shown_and_all_else_says_why_not(found: dict[str, Any]) -> None:
    checks = {check["name"]: check for stage in found["stages"] for check in stage["checks"]}
    assert checks.keys() == LIMITS.keys()
    assert {name for name, check in checks.items() if check["status"] == PASS} == SHOWN_ON_A_CPU
    others = [check for check in checks.values() if check["status"] != PASS]
    assert all(check["status"] == NOT_RUN and check["note"] for check in others)


def test_stages_that_measure_have_figures(found: dict[str, Any]) -> None:
    measured = {stage["stage"] for stage in found["stages"] if stage["figures"]}
    assert measured == {"packing", "efficiency", "race", "feed", "compiled"}
    for stage in found["stages"]:
        assert all(figure["ratio"] > 0 and figure["against"] for figure in stage["figures"])


def test_the_markdown_is_printed_and_written(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, process = done
    assert (folder / "gpu.md").read_text() == process.stdout
    assert "A dry run on a CPU" in process.stdout
    assert "Traceback" not in process.stdout + process.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_refused_in_one_line(tmp_path: Path) -> None:
    process = command(tmp_path)
    assert (process.returncode, process.stdout) == (2, "")
    assert len(process.stderr.splitlines()) == 1 and "no GPU here" in process.stderr
    assert not list(tmp_path.iterdir())
