"""NVIDIA's Multi-Process Service, as a daemon of this user for the length of one measurement.

https://docs.nvidia.com/deploy/mps/ : the daemon and its clients find each other by CUDA_MPS_PIPE_DIRECTORY.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
SECONDS = 20.0  # to start, and to end once its clients have ended


@contextlib.contextmanager
def own_mps(folder: Path, dry: bool) -> Iterator[tuple[dict[str, str] | None, str]]:
    """The environment in which processes are its clients, and ""; or None and why there is no daemon."""
    program = shutil.which(CONTROL)
    if dry or program is None:
        yield None, "a dry run has no GPU" if dry else f"{CONTROL} is not on PATH"
        return
    pipes, logs = folder / "mps-pipes", folder / "mps-logs"
    for made in (pipes, logs):
        made.mkdir(mode=0o700, exist_ok=True)
    environment = {"CUDA_MPS_PIPE_DIRECTORY": str(pipes), "CUDA_MPS_LOG_DIRECTORY": str(logs)}
    started = _control([program, "-d"], environment, "")
    if started:
        yield None, started
        return
    try:
        yield environment, ""
    finally:
        _control([program], environment, "quit\n")


def _control(command: list[str], environment: dict[str, str], words: str) -> str:
    """What went wrong; "" where nothing did."""
    try:
        done = subprocess.run(
            command,
            input=words,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{command[0]}: {type(error).__name__}"
    return "" if done.returncode == 0 else f"{command[0]}: {(done.stderr or done.stdout).strip()[:200]}"
