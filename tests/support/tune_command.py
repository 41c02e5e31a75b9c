"""`python -m orchestrator.tune` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TUNE = [sys.executable, "-m", "orchestrator.tune"]


def command(space: Path, data: Path, runs: Path, *more: str) -> list[str]:
    options = ["--space", str(space), "--data", str(data), "--runs", str(runs)]
    return [*_TUNE, *options, *more]


def resume(runs: Path, study: str, *more: str) -> list[str]:
    return [*_TUNE, "--resume", "--study", study, "--runs", str(runs), *more]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
