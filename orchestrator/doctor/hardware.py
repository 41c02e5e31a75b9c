"""Memory, disk, GPUs of one machine, as its facts say. Bounds are in GiB unless named otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.doctor.gpu_cards import check_cards
from orchestrator.machine.node_facts import NodeFacts

GIB = 2**30
OBJECT_STORE = 0.3  # of the memory: what Ray's object store takes from /dev/shm
OBJECT_STORE_MOST = 200 * 10**9  # bytes: Ray takes no more by itself
MEMORY_LOW = 2.0
TEMP_LOW = 5.0
RUNS_LOW, RUNS_FULL = 10.0, 0.5  # a warning below the first; below the second no study can be kept
GPU_FREE_LOW = 0.5  # of a GPU's memory


def check_hardware(facts: NodeFacts, torch: Mapping[str, Any] | None) -> list[Finding]:
    """torch: what `probe.TORCH` printed there, None where it was not asked."""
    return [
        *_shm(facts),
        *_memory(facts),
        *_disk(
            "temp", facts.temp, facts.temp_free_bytes, TEMP_LOW, 0.0, "free some, or set TMPDIR elsewhere"
        ),
        *_disk(
            "runs",
            facts.runs,
            facts.runs_free_bytes,
            RUNS_LOW,
            RUNS_FULL,
            "free some, or give --runs elsewhere",
        ),
        check_gpus(facts, torch),
        *check_cards(facts, torch),
    ]


def gib(size: float) -> str:
    """ "3.5 GiB", "64 MiB"."""
    if size >= 10 * GIB:
        return f"{size / GIB:.0f} GiB"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def _shm(facts: NodeFacts) -> list[Finding]:
    if facts.shm_bytes is None or facts.shm_free_bytes is None or facts.memory_bytes is None:
        return []  # not Linux: Ray uses the temporary folder
    needed = min(OBJECT_STORE * (facts.memory_free_bytes or facts.memory_bytes), OBJECT_STORE_MOST)
    found = f"/dev/shm: {gib(facts.shm_free_bytes)} of {gib(facts.shm_bytes)} free"
    if facts.shm_free_bytes >= needed:
        return [ok("shm", found)]
    return [
        warning(
            "shm",
            f"{found}; Ray's object store wants {gib(needed)} and would use the disk instead, slowly",
            f"a container: start it with --shm-size={needed / GIB:.0f}g; a server: see what fills /dev/shm, "
            f"or `sudo mount -o remount,size={needed / GIB + 1:.0f}G /dev/shm`",
        )
    ]


def _memory(facts: NodeFacts) -> list[Finding]:
    if facts.memory_bytes is None or facts.memory_free_bytes is None:
        return []
    found = f"{gib(facts.memory_free_bytes)} of {gib(facts.memory_bytes)} free"
    if facts.memory_free_bytes >= MEMORY_LOW * GIB:
        return [ok("memory", found)]
    return [
        warning("memory", found, "see with `top` what holds it: Linux ends fold runs when nothing is left")
    ]


def _disk(topic: str, folder: str, free: int | None, low: float, full: float, way_out: str) -> list[Finding]:
    if free is None:
        return []
    found = f"{folder}: {gib(free)} free"
    if free < full * GIB:
        return [blocks(topic, found, way_out)]
    return [warning(topic, found, way_out) if free < low * GIB else ok(topic, found)]


def check_gpus(facts: NodeFacts, torch: Mapping[str, Any] | None) -> Finding:
    """Whether what nvidia-smi lists is what torch can use."""
    if facts.gpu_problem is not None:
        return blocks("gpu", facts.gpu_problem, driver_way_out(facts.gpu_problem))
    if not facts.gpus:
        return ok("gpu", "none (nvidia-smi is not there or lists none): fold runs use CPUs")
    names = _grouped(facts)
    if torch is None:
        return ok("gpu", f"{names}, driver {facts.driver}")
    problem = torch.get("error")
    if problem:
        return blocks("gpu", f"{names}, but torch cannot use them: {problem}", _cuda_way_out(facts, torch))
    free = [fraction for fraction in torch.get("free", []) if isinstance(fraction, int | float)]
    found = f"{names}, driver {facts.driver}, torch for CUDA {torch.get('cuda')} uses {len(free)}"
    if any(fraction < GPU_FREE_LOW for fraction in free):
        fractions = ", ".join(f"{fraction:.0%}" for fraction in free)
        return warning(
            "gpu", f"{found}; memory free: {fractions}", "see with `nvidia-smi` whose jobs run there"
        )
    return ok("gpu", found)


WAYS_OUT = (
    ("version mismatch", "the driver was updated under the one that runs: reboot"),
    (
        "communicate with the nvidia driver",
        "it is not loaded: `sudo modprobe nvidia`, or install it anew",
    ),
    (
        "insufficient permissions",
        "this user may not open them: `ls -l /dev/nvidia*` tells which group may",
    ),
    ("nvml: unknown error", "in a container: it has lost its devices, start it again; else reboot"),
    ("is lost", "a card has fallen off the bus: reboot, and see its power and its slot if it does so again"),
    (
        "unable to determine the device handle",
        "a card does not answer: reboot; `sudo dmesg | grep -i xid` tells",
    ),
    ("no answer within", "the driver hangs: `sudo dmesg | grep -i xid` tells, a reboot ends it"),
)
"""What nvidia-smi says, in small letters, and what to do then."""


def driver_way_out(problem: str) -> str:
    known = (way_out for words, way_out in WAYS_OUT if words in problem.lower())
    return next(known, "repair the NVIDIA driver (often: reboot after its update); `nvidia-smi` tells")


def _grouped(facts: NodeFacts) -> str:
    kinds = list(dict.fromkeys(facts.gpus))
    return ", ".join(f"{facts.gpus.count(gpu)} x {gpu.name} ({gib(gpu.memory_mib * 2**20)})" for gpu in kinds)


def _cuda_way_out(facts: NodeFacts, torch: Mapping[str, Any]) -> str:
    if "no kernel image" in str(torch.get("error")):
        return "this torch has no kernels for the card: install the build of https://pytorch.org/get-started/locally"
    if not torch.get("cuda"):
        return (
            f"this torch ({facts.versions.get('torch')}) is built for CPUs: install a build for CUDA "
            f"{facts.cuda or ''} or older from https://pytorch.org/get-started/locally"
        )
    if facts.cuda and _number(str(torch["cuda"])) > _number(facts.cuda):
        return (
            f"the driver knows CUDA up to {facts.cuda}, this torch is built for {torch['cuda']}: update the "
            "driver or install a build for an older CUDA"
        )
    return "see `nvidia-smi`, CUDA_VISIBLE_DEVICES, and whether the container was started with --gpus all"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
