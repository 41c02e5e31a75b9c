"""A trainable that can say what its fold runs cost, and behaves in a probe as its parameters tell it."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core import own_memory
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.core.trainable import Config, Parameter, Resources

MIB = 2**20
OF_ONE = 100.0  # training images a second


class Probed:
    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        return {
            "kind": Parameter("fine", ("str",)),
            "size": Parameter(1, ("int",)),
            "lr": Parameter(0.1),
        }

    @classmethod
    def prepare(cls, *_: Any) -> None: ...

    def run_epoch(self) -> dict[str, float]:
        raise NotImplementedError

    @classmethod
    def load_predictor(cls, *_: Any) -> None: ...

    @classmethod
    def cost_parameters(cls) -> Sequence[str]:
        return ("kind", "size")

    @classmethod
    def cost_family(cls, config: Config) -> Mapping[str, Any]:
        return {"kind": config["kind"]}

    @classmethod
    def cost_size(cls, config: Config) -> float:
        return float(config["size"])

    @classmethod
    def cost_estimate(cls, config: Config, classes: int, resources: Resources) -> int:
        if config["kind"] == "has no estimate":
            raise RuntimeError("shapes do not suffice")
        return int(config["size"]) * MIB

    @classmethod
    def probe(
        cls,
        config: Config,
        classes: int,
        rows: int,
        resources: Resources,
        seconds: float,
        meet: Callable[[], None],
    ) -> FoldRunCost:
        """Of `size` MiB beside what was there before; its rate is by what it was granted."""
        BEHAVIOURS.get(str(config["kind"]), lambda: None)()
        meet()
        held = own_memory.own_unshared() + int(config["size"]) * MIB
        return FoldRunCost(held, int(resources.gpus * 8 * MIB), 0.5, OF_ONE * (resources.gpus or 1))


def fails() -> None:
    raise ValueError("no such\nnetwork")


def runs_out_of_memory() -> None:
    raise MemoryError


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exits() -> None:
    os.write(2, b"first line\nlibrary is broken\n")
    os._exit(7)


def hangs() -> None:
    while True:
        time.sleep(3600)


def takes_much() -> None:
    held = bytearray(200 * MIB)
    held[::4096] = b"x" * len(held[::4096])
    hangs()


def draws_a_folder_and_hangs() -> None:
    Path(tempfile.mkdtemp(), "pixels").write_bytes(b"x" * MIB)
    hangs()


def says_no_more() -> None:
    os.closerange(3, 64)
    hangs()


def prints() -> None:
    print('{"cost": "none of yours"}', flush=True)


BEHAVIOURS: Mapping[str, Callable[[], None]] = {
    behaviour.__name__: behaviour
    for behaviour in (
        *(fails, runs_out_of_memory, is_killed, exits, hangs, takes_much, prints),
        *(draws_a_folder_and_hangs, says_no_more),
    )
}


class Silent(Probed):
    """Says nothing of its costs."""

    cost_family = None  # type: ignore[assignment]


class Unsure(Probed):
    @classmethod
    def cost_family(cls, config: Config) -> Mapping[str, Any]:
        raise KeyError("backbone")
