"""Whether a fold run would notice that its card is taken by somebody else's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting
from orchestrator.execution.gpu_taken import why_taken
from orchestrator.machine.gpu_memory import own_devices

HOLDS = """
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(int(0.9 * free), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.read()
"""
NAME = "a card that is taken"


def run(setting: Setting, recorder: Recorder) -> None:
    if setting.dry:
        assert told() == "", "nobody holds what is not there"
        recorder.not_run(NAME, "a dry run has no card")
        return
    if before := told():
        recorder.not_run(NAME, f"it is taken by others already: {before}")
        return
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None and other.stdout is not None  # pipes were asked for
    try:
        assert other.stdout.readline().strip() == "held", "the other process could not hold the card"
        recorder.check(NAME, float(bool(why := told())), why or "nothing was noticed")
    finally:
        other.stdin.close()
        other.wait()


def told() -> str:
    """As a fold run's worker asks before it builds: half of a card is needed, none of ours is there."""
    devices = own_devices()
    need = min((item.total for item in devices), default=0) // 2
    return why_taken(devices, need, lambda pid: pid == os.getpid(), _is_there, has_it_alone=True)


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
