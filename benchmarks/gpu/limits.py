"""What is judged, and by which limit. A figure without a limit is shown and not judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"


@dataclass(frozen=True)
class Limit:
    """A number that a check must reach, or must not exceed."""

    what: str  # what is measured, in words
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "x"  # "x": a ratio; "%": a share in percent; otherwise what is counted
    on_cpu: bool = False  # whether a dry run on a CPU can judge it too

    def holds(self, value: float) -> bool:
        """A number that is none (NaN) never does."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def text(self) -> str:
        if self.at_least is not None:
            return f"at least {shown(self.at_least, self.unit)}"
        assert self.at_most is not None  # one of the two is given
        return f"at most {shown(self.at_most, self.unit)}"


def shown(value: float, unit: str) -> str:
    """ "3.00x", "95.0%", "0 epochs"."""
    if unit == "x":
        return f"{value:.2f}x"
    if unit == "%":
        return f"{value:.1f}%"
    return f"{value:.3g} {unit}"


LIMITS: Mapping[str, Limit] = {
    "doctor reads the card": Limit(
        "cards in nvidia-smi's answer that doctor reads", at_least=1, unit="cards"
    ),
    # correctness
    "precision": Limit(
        "distance of the bfloat16 curve from the float32 one, over that of two float32 runs of other seeds",
        at_most=1.5,
    ),
    "compiled": Limit(
        "distance of the compiled curve from the eager one, over that of two eager runs of other seeds",
        at_most=1.5,
    ),
    "compiled memory returned": Limit(
        "memory that is left of a compiled fold run after it was released", at_most=10.0, unit="%"
    ),
    "resume": Limit(
        "distance of 2 + 2 epochs from 4, over that of the same 4 epochs run twice; 0: bit for bit",
        at_most=3.0,
        on_cpu=True,
    ),
    "memory returned": Limit(
        "memory that is left of a fold run's peak after it was released", at_most=10.0, unit="%", on_cpu=True
    ),
    "neighbours": Limit(
        "distance of a fold run beside another one from the same alone, over that of two runs alone; "
        "0: bit for bit",
        at_most=3.0,
        on_cpu=True,
    ),
    # out of memory, and a race
    "out-of-memory met": Limit("fold runs that met a real out-of-memory", at_least=1, unit="fold runs"),
    "out-of-memory read": Limit(
        "of these, those whose words say nothing that the next share is made of", at_most=0, unit="fold runs"
    ),
    "epochs lost": Limit("epochs that a race with out-of-memory lost", at_most=0, unit="epochs", on_cpu=True),
    "race epochs lost": Limit("epochs that a whole race lost", at_most=0, unit="epochs", on_cpu=True),
    "a card that is taken": Limit(
        "cards that another process holds, and that a fold run notices before it begins",
        at_least=1,
        unit="cards",
    ),
    # the device path
    "augmentation": Limit(
        "distance of images' mean and spread, augmented on the device and on the CPU",
        at_most=5.0,
        unit="standard errors",
        on_cpu=True,
    ),
    "augmentation, pixels apart": Limit(
        "pixels that differ by more than 2 levels, the same draws on this device and on a CPU",
        at_most=0.1,
        unit="%",
        on_cpu=True,
    ),
    "augmentation, mean apart": Limit(
        "mean difference of these pixels", at_most=0.05, unit="levels", on_cpu=True
    ),
    "places": Limit(
        "places (device, pinned ring, host) whose batches differ from the first one's",
        at_most=0,
        unit="places",
        on_cpu=True,
    ),
    "synchronisation": Limit(
        "kinds of training steps, and steps of augmentation, in which the host waits for the device",
        at_most=0,
        unit="kinds",
    ),
    "step efficiency": Limit(
        "share of a step's wall time in which the device works, one core", at_least=95.0, unit="%"
    ),
    "MPS ends": Limit("MPS daemons that are left when ours was told to quit", at_most=0, unit="daemons"),
    # packing
    "8 resnet18 over one": Limit("8 fold runs of resnet18 (112 px, batch 64) over one", at_least=3.0),
    "8 resnet18 over a graph": Limit("the same over one network in a CUDA graph", at_least=1.5),
    "8 resnet18 of the roof": Limit("the same over what the card can do at most", at_least=0.85),
    "resnet50 together": Limit(
        "the slowest of 2, 4 and 8 fold runs of resnet50 (224 px) over one", at_least=1.0
    ),
    "with MPS": Limit("8 fold runs of resnet18 with MPS over 8 without", at_least=1.0),
    "probed memory": Limit(
        "difference of the memory that the probe says and that a fold run holds", at_most=15.0, unit="%"
    ),
    "chosen share": Limit("rate of the share that the probe chose over the best of all", at_least=0.9),
}
