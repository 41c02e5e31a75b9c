"""The GPUs of this node as nvidia-smi lists them."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import dataclass

NVIDIA_SMI_S = 10.0  # its first call loads the driver where nothing keeps it loaded


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_mib: int


def ask_nvidia_smi() -> tuple[tuple[Gpu, ...], str | None, str | None, str | None]:
    """GPUs, driver version, CUDA version, problem."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (), None, None, None
    asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        listed = output_of([program, *asked])
        gpus, driver = parse_gpus(listed)
        cuda = re.search(r"CUDA Version:\s*([\d.]+)", output_of([program]))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        output = getattr(error, "stdout", None) or str(error)
        return (), None, None, f"nvidia-smi: {' '.join(str(output).split())[:200]}"
    return gpus, driver, cuda.group(1) if cuda else None, None


def parse_gpus(listed: str) -> tuple[tuple[Gpu, ...], str | None]:
    """Of lines such as "NVIDIA H200, 143771, 570.86.15": the GPUs and the driver. Raises ValueError."""
    rows = rows_of(listed)
    if any(len(row) != 3 for row in rows):
        raise ValueError(listed)
    gpus = tuple(Gpu(name, int(memory) if memory.isdigit() else 0) for name, memory, _ in rows)
    return gpus, rows[0][2] if rows else None


def rows_of(listed: str) -> list[list[str]]:
    """Of a table without headers."""
    return [[cell.strip() for cell in row] for row in csv.reader(listed.splitlines()) if row]


def output_of(command: list[str]) -> str:
    """Raises OSError, subprocess.SubprocessError."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_S, check=True)
    return done.stdout
