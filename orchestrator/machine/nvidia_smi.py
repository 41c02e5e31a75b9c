"""The GPUs of this node as nvidia-smi lists them."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import subprocess
from dataclasses import dataclass

from orchestrator.machine.gpu_cards import parse_log

NVIDIA_SMI_S = 10.0  # its first call loads the driver where nothing keeps it loaded
INFOROM_DAMAGED = 14  # exit code with which it answers nevertheless (nvidia-smi(1), RETURN VALUE)
# Most of the text and of no use: the name of the card tells what it can do.
_CLOCKS = re.compile(r"\s*<supported_clocks>.*?</supported_clocks>", re.DOTALL)


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_mib: int


@dataclass(frozen=True)
class NvidiaSmi:
    """What it said on one node."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None  # version
    cuda: str | None = None  # newest version of CUDA that the driver knows
    problem: str | None = None  # why it, which is there, gave no GPUs
    query: str = ""  # all it says of each card, for `gpu_cards.parse_log`
    listed: str = ""  # where cards are cut into slices: cards and slices with their ids, for the same


def ask_nvidia_smi() -> NvidiaSmi:
    """One call for everything and one more for the ids of slices; its tables where it gives no XML."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return NvidiaSmi()
    try:
        query = output_of([program, "-q", "-x"])
        return _of_query(program, query) if "<nvidia_smi_log" in query else _of_tables(program)
    except subprocess.TimeoutExpired:
        return NvidiaSmi(problem=f"nvidia-smi: it gave no answer within {NVIDIA_SMI_S:.0f} s")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        output = getattr(error, "stdout", None) or getattr(error, "stderr", None) or str(error)
        return NvidiaSmi(problem=f"nvidia-smi: {' '.join(str(output).split())[:200]}")


def _of_query(program: str, query: str) -> NvidiaSmi:
    query = _CLOCKS.sub("", query)
    found = parse_log(query)
    gpus = tuple(Gpu(card.name, card.memory_mib) for card in found.cards)
    listed = output_of([program, "-L"]) if any(card.slices for card in found.cards) else ""
    return NvidiaSmi(gpus, found.driver, found.cuda, None, query, listed)


def _of_tables(program: str) -> NvidiaSmi:
    asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    gpus, driver = parse_gpus(output_of([program, *asked]))
    cuda = re.search(r"CUDA Version:\s*([\d.]+)", output_of([program]))
    return NvidiaSmi(gpus, driver, cuda.group(1) if cuda else None)


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
    """Raises OSError, subprocess.SubprocessError.

    A driver that hangs keeps its programs beyond every signal: one that has been ended in vain is left alone,
    for which `subprocess.run` would wait without end.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        out, err = process.communicate(timeout=NVIDIA_SMI_S)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        for pipe in (process.stdout, process.stderr):
            pipe.close()  # type: ignore[union-attr]  # both were asked for
        raise
    if process.returncode not in (0, INFOROM_DAMAGED):
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    return out
