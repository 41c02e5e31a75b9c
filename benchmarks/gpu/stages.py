"""The stages in order of worth: where time runs out, the last are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.errors import InputError
from orchestrator.core.text import suggestion


@dataclass(frozen=True)
class Stage:
    """One process of its own that runs `entry` ("module:function") and owes the checks it names."""

    name: str
    entry: str
    seconds: float  # that it measures, on a GPU
    dry_seconds: float  # the same in a dry run
    least: float = 5.0  # seconds below which it is not begun
    checks: tuple[str, ...] = ()
    what: str = ""

    def wanted(self, dry: bool) -> float:
        return self.dry_seconds if dry else self.seconds


STAGES: Sequence[Stage] = (
    Stage("card", "benchmarks.gpu.card:run", 5, 5, 1.0, what="what it is"),
    Stage(
        "correctness",
        "benchmarks.gpu.correctness:run",
        70,
        20,
        checks=("precision", "resume", "memory returned", "neighbours"),
        what="precision, continuing, memory, neighbours",
    ),
    Stage(
        "packing",
        "benchmarks.gpu.packing:run",
        110,
        15,
        20.0,
        ("8 resnet18 over one", "8 resnet18 over a graph", "8 resnet18 of the roof", "resnet50 together"),
        "1, 2, 4, 8 fold runs on the device, with and without MPS",
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
