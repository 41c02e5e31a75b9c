"""How large everything is: the real thing on a GPU, or the same code in a dry run on a CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.core.trainable import Resources


@dataclass(frozen=True)
class Case:
    """One network at one size."""

    backbone: str
    size: int  # px of a side
    batch: int

    @property
    def name(self) -> str:
        return f"{self.backbone}, {self.size} px, batch {self.batch}"


RESNET18, RESNET50 = Case("resnet18", 112, 64), Case("resnet50", 224, 64)


@dataclass(frozen=True)
class Setting:
    """What a stage is told: sizes, and for how long it may measure."""

    folder: Path  # of the whole run: drawn images, stores, and what earlier stages found
    dry: bool  # on a CPU, with tiny networks
    full: bool  # the large versions of stages that have one
    seconds: float  # after which nothing new is begun
    window_s: float  # for which one rate is measured
    patience_s: float  # for an answer of a process that trains
    people: int  # drawn for a data set, seven images each
    times: int  # that each image stands in a data set whose rate is measured
    together: tuple[int, ...]  # how many fold runs share the device
    packed: tuple[Case, ...]  # the first is judged by the limits of resnet18, the second by resnet50's
    fed: tuple[Case, ...]  # whose input is measured, the most telling first
    learns: Case  # trained for a few epochs to compare curves
    race: tuple[int, int, int]  # configurations, folds, epochs

    @property
    def device(self) -> str:
        return "cpu" if self.dry else "cuda"

    @property
    def cpus(self) -> int:
        """Of a fold run that has the machine to itself."""
        return 1 if self.dry else len(os.sched_getaffinity(0))

    def resources(self, share: float = 1.0, cpus: int = 1) -> Resources:
        return Resources(cpus, 0.0 if self.dry else share)


def full_setting(folder: Path, seconds: float, full: bool) -> Setting:
    return Setting(
        folder=folder,
        dry=False,
        full=full,
        seconds=seconds,
        window_s=3.0,
        patience_s=60.0,
        people=60,
        times=10,
        together=(1, 2, 4, 8),
        packed=(RESNET18, RESNET50),
        fed=(
            RESNET18,
            Case("resnet50", 224, 64),
            Case("efficientnet_b0", 224, 64),
            Case("resnet18", 224, 64),
            Case("resnet50", 112, 64),
            Case("efficientnet_b0", 112, 64),
        ),
        learns=Case("resnet18", 64, 64),
        race=(16, 3, 4),
    )


def dry_setting(folder: Path, seconds: float) -> Setting:
    tiny = Case("test_resnet", 32, 16)
    return Setting(
        folder=folder,
        dry=True,
        full=False,
        seconds=seconds,
        window_s=0.2,
        patience_s=seconds,
        people=30,
        times=1,
        together=(1, 2),
        packed=(tiny,),
        fed=(tiny,),
        learns=tiny,
        race=(2, 2, 2),
    )


@dataclass(frozen=True)
class Deadline:
    """When a stage has used its seconds."""

    at: float
    clock: Callable[[], float] = time.monotonic

    @property
    def left(self) -> float:
        return self.at - self.clock()

    def allows(self, seconds: float) -> bool:
        return self.left >= seconds


def deadline_of(setting: Setting) -> Deadline:
    return Deadline(time.monotonic() + setting.seconds)


def shorter(setting: Setting, seconds: float) -> Setting:
    return replace(setting, seconds=seconds)
