"""What a server has before the project is installed on it: sent after `probe`, under the same rules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PYTHONS = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
ASK = """
import importlib.util, json, sys
venv = importlib.util.find_spec("ensurepip") is not None
print(json.dumps({"version": sys.version.split()[0], "venv": venv}))
"""
ASK_S = 20  # seconds for each program


def before_setup() -> dict[str, Any]:
    """What there is to install with.

    pythons: name -> {"version", "venv": whether `python -m venv` can put pip into what it makes}
    disk_free: bytes where the project goes
    gpus: name -> how many
    gpu_problem: why nvidia-smi lists none, or None
    """
    pythons = {name: found for name in PYTHONS for found in [_python(name)] if found is not None}
    gpus, problem = _gpus()
    return {
        "pythons": pythons,
        "disk_free": shutil.disk_usage(str(Path.home())).free,
        "gpus": gpus,
        "gpu_problem": problem,
    }


def _python(name: str) -> dict[str, Any] | None:
    if shutil.which(name) is None:
        return None
    try:
        found = json.loads(_output([name, "-c", ASK]))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a name without a Python behind it, as pyenv leaves them
    return found if isinstance(found, dict) else None


# Not machine/nvidia_smi.py: what is sent to a bare server can import nothing of the project.
def _gpus() -> tuple[dict[str, int], str | None]:
    if shutil.which("nvidia-smi") is None:
        return {}, None
    try:
        names = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).strip().splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stdout", None) or str(error)
        return {}, "nvidia-smi: " + " ".join(str(output).split())[:200]
    return {name: names.count(name) for name in names}, None


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,  # ours is this program itself, as ssh sends it
        capture_output=True,
        text=True,
        timeout=ASK_S,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    return done.stdout
