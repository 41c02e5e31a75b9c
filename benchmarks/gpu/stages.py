"""The stages in order of worth: where time runs out, the last are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.errors import InputError
from orchestrator.core.text import suggestion

DRY_S = 600.0
"""Seconds of any stage in a dry run. It takes a few of them, more on a machine that does other things too;
the limit is for one that hangs."""


@dataclass(frozen=True)
class Stage:
    """One process of its own that runs `entry` ("module:function") and owes the checks it names."""

    name: str
    entry: str
    seconds: float  # that it measures, on a GPU
    least: float = 5.0  # seconds below which it is not begun
    checks: tuple[str, ...] = ()
    what: str = ""
    full_seconds: float = 0.0  # of its large version, where it has one

    def wanted(self, dry: bool, full: bool) -> float:
        return DRY_S if dry else full * self.full_seconds or self.seconds


STAGES: Sequence[Stage] = (
    Stage("card", "benchmarks.gpu.card:run", 5, 1.0, ("doctor reads the card",), "what it is"),
    Stage(
        "correctness",
        "benchmarks.gpu.correctness:run",
        40,
        checks=("precision", "resume", "memory returned", "neighbours"),
        what="precision, continuing, memory, neighbours",
    ),
    Stage(
        "device_path",
        "benchmarks.gpu.device_path:run",
        25,
        checks=(
            "augmentation",
            "augmentation, pixels apart",
            "augmentation, mean apart",
            "places",
            "synchronisation",
        ),
        what="augmentation on the device, and whether the host waits for it",
    ),
    Stage(
        "packing",
        "benchmarks.gpu.packing:run",
        98,
        20.0,
        (
            "8 resnet18 over one",
            "8 resnet18 over a graph",
            "8 resnet18 of the roof",
            "resnet50 together",
            "with MPS",
        ),
        "1, 2, 4, 8 fold runs on the device, with and without MPS",
    ),
    Stage(
        "choice",
        "benchmarks.gpu.choice:run",
        50,
        20.0,
        ("probed memory", "chosen share"),
        "how many the search itself puts on the device, over the best of all",
    ),
    Stage(
        "efficiency",
        "benchmarks.gpu.efficiency:run",
        8,
        checks=("step efficiency",),
        what="the share of a step's time that the network gets, one core",
    ),
    Stage(
        "oom",
        "benchmarks.gpu.race:run_out_of_memory",
        45,
        30.0,
        ("out-of-memory met", "out-of-memory read", "epochs lost"),
        "a search whose fold runs outgrow their share of the memory",
        full_seconds=300,
    ),
    Stage(
        "race",
        "benchmarks.gpu.race:run",
        75,
        30.0,
        ("race epochs lost",),
        "a search that chooses its fold runs per GPU, slots busy",
    ),
    Stage(
        "taken",
        "benchmarks.gpu.taken:run",
        8,
        checks=("a card that is taken",),
        what="another process holds the card: would a fold run notice?",
    ),
    Stage(
        "mps",
        "benchmarks.gpu.mps:run",
        10,
        checks=("MPS ends",),
        what="a daemon of this user starts, serves and ends; a fault of one client",
    ),
    Stage(
        "feed",
        "benchmarks.gpu.feed:run",
        45,
        what="one fold run over its network fed from memory, and over timm's loop",
    ),
    Stage(
        "compiled",
        "benchmarks.gpu.compiled:run",
        60,
        30.0,
        ("compiled", "compiled memory returned"),
        "compiled steps: equal curves, memory, speed",
    ),
)


def named(names: Sequence[str], stages: Sequence[Stage] = STAGES) -> list[Stage]:
    """In order of worth, whatever order they are named in; no names: all. Raises InputError."""
    by_name: Mapping[str, Stage] = {stage.name: stage for stage in stages}
    for name in names:
        if name not in by_name:
            raise InputError(
                f"--stages {name}: no stage has this name{suggestion(name, by_name)}; "
                f"there are {', '.join(by_name)}"
            )
    return [stage for stage in stages if not names or stage.name in names]
