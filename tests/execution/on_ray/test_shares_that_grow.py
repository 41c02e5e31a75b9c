"""Fold runs that share a GPU and do not fit: each goes on from its last epoch with a larger share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, FoldRunKey, Leg, LegFailed
from orchestrator.core.fold_run_cost import CostCase, CostTable, FoldRunCost, MeasuredCost
from orchestrator.core.trainable import Resources
from orchestrator.execution.driver import Driver
from orchestrator.execution.memory_pressure import GIB, GpuUse
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler, new_node_pool
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.node_pool import NodePool
from orchestrator.execution.on_ray.slots import Node, NodeSlots, ResourceRequest, allocate_slots
from orchestrator.execution.packing import shares_after
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import RandomSampler
from orchestrator.study.study import Study
from tests.execution.on_ray.test_admission import Growing
from tests.execution.on_ray.test_leg_scheduler import Blind, Seen
from tests.support.helpers import events

PER_GPU, GPUS, GPU = 4, 2, 40 * GIB
SERVER = Node("gpus", "server", 16, GPUS, "A100")
TRIALS, EPOCHS = 50, 4


def words(own: int, tried: int, free: int) -> str:
    """As torch writes it."""
    return (
        f"OutOfMemoryError: CUDA out of memory. Tried to allocate {tried / GIB:.2f} GiB. GPU 0 has a total "
        f"capacity of {GPU / GIB:.2f} GiB of which {free / GIB:.2f} GiB is free. Including non-PyTorch "
        f"memory, this process has {own / GIB:.2f} GiB memory in use."
    )


class Cards(Growing):
    """GPUs of 40 GiB beside more of the machine's memory than anybody needs."""

    def gpus(self, node: Node) -> tuple[GpuUse, ...]:
        return tuple(GpuUse(GPU, 0) for _ in range(GPUS))


class Server:
    """Two GPUs as Ray hands them out: a leg waits until one of them has its share left."""

    def __init__(self, scheduler: LegScheduler, sizes: list[int], rng: np.random.Generator) -> None:
        self.scheduler, self.sizes, self.rng = scheduler, sizes, rng
        self.pending: dict[FoldRunKey, tuple[Leg, int]] = {}
        self.on: dict[FoldRunKey, tuple[Leg, int, int]] = {}  # leg, slots, GPU
        self.done: Counter[FoldRunKey] = Counter()
        self.waited: Counter[FoldRunKey] = Counter()
        self.most_together = 0

    def turn(self) -> None:
        while (found := self.scheduler.next()) is not None:
            leg = found[0].leg
            assert leg.start == self.done[leg.key], "it goes on where it was"
            self.pending[leg.key] = (leg, found[1].slots)
        for key, (leg, slots) in list(self.pending.items()):
            free = [gpu for gpu in range(GPUS) if self.taken(gpu) + slots <= PER_GPU]
            if free:
                del self.pending[key]
                self.on[key] = (leg, slots, free[0])
                self.scheduler.ready(key)
            else:
                self.waited[key] += 1
        self.most_together = max(self.most_together, len(self.on))
        keys = sorted(self.on)
        for key in [keys[place] for place in self.rng.permutation(len(keys))]:
            self.train(key)

    def taken(self, gpu: int) -> int:
        return sum(slots for _, slots, where in self.on.values() if where == gpu)

    def train(self, key: FoldRunKey) -> None:
        _, slots, gpu = self.on[key]
        others = sum(
            self.sizes[other.trial] for other, on in self.on.items() if on[2] == gpu and other != key
        )
        size = self.sizes[key.trial]
        if others + size > GPU:
            kind = "memory" if slots < PER_GPU else "exception"
            held = max(GPU - others, GIB // 2)
            text = words(held, size - held if size > held else GIB, 0)
            del self.on[key]
            assert not self.scheduler.report(LegFailed(key.trial, key.fold, self.done[key], kind, text))
            return
        self.done[key] += 1
        if not self.scheduler.report(EpochEnded(key.trial, key.fold, self.done[key], 0.5, seconds=1.0)):
            del self.on[key]


def server_of(study: Study, seed: int, costs: bool) -> Server:
    rng = np.random.default_rng(seed)
    sizes = [int(size * GIB) for size in np.exp(rng.uniform(np.log(1.5), np.log(36), TRIALS))]
    race = make_race("fold_asha", RaceConfig(trials=TRIALS, folds=2, max_t=EPOCHS))
    labels, folds = np.zeros(24, np.int64), np.zeros(24, np.int16)
    dataset = Dataset("", ("x",) * 24, labels, folds, ("red", "blue"), "macro_f1", "max", "f", "")
    driver = Driver(race, study, RandomSampler(study.space, 0), dataset, Blind())
    driver._complete = lambda trial: None  # type: ignore[method-assign]  # nothing was stored
    request = ResourceRequest(1 / PER_GPU)
    guard = MemoryGuard(Cards(2000 * GIB, GIB), lambda: 0.0)
    pool = new_node_pool([SERVER], allocate_slots([SERVER], request))
    table = CostTable((MeasuredCost(CostCase("a", 1.0), FoldRunCost(GIB, 9 * GIB, 0.1, 9.0)),), (), {})
    scheduler = LegScheduler(driver, pool, Seen(SERVER), request, True, guard, table if costs else None)
    return Server(scheduler, sizes, rng)


@pytest.mark.parametrize("seed", range(3))
def test_of_fifty_mixed_configurations_none_loses_an_epoch_and_none_starves(study: Study, seed: int) -> None:
    """Of 1.5 to 36 GiB each, four on a GPU of 40 until they turn out to be too large for that."""
    server = server_of(study, seed, costs=bool(seed % 2))
    turns = 0
    while not server.scheduler.done:
        server.turn()
        turns += 1
        assert turns < 600, "somebody starves"
    failed = events(study.path, "leg_failed")
    assert {event["failure"] for event in failed} == {"memory"} and len(failed) >= 8
    assert not any(event["action"] == "FAIL" for event in events(study.path, "decided"))
    ended = events(study.path, "epoch_ended")
    assert len(ended) == sum(server.done.values()), "no epoch was trained twice"
    assert max(server.waited.values(), default=0) <= 2 * EPOCHS
    assert server.most_together > GPUS, "those that fit go on sharing"


GROWTH = [
    # failures of each fold, share at first -> share of 8
    ([], 1, 1),
    ([["CUDA out of memory"]], 1, 2),
    ([["CUDA out of memory"]] * 3, 1, 2),  # three folds met it, none of them twice
    ([["CUDA out of memory"] * 2, ["CUDA out of memory"]], 1, 8),
    ([["CUDA out of memory"]], 4, 8),
    ([[words(12 * GIB, 2 * GIB, 0)]], 1, 4),  # 14 GiB in all: two shares of 4.5 would not do
    ([[words(2 * GIB, GIB, 0)]], 1, 2),  # a neighbour had taken more than its own
    ([["CUDA error: an illegal memory access was encountered"]], 1, 8),
    ([["CUDA error: device-side assert triggered"]], 1, 8),
]


@pytest.mark.parametrize(("failures", "first", "expected"), GROWTH)
def test_a_share_doubles_and_more_where_torch_asks_for_more(
    failures: list[list[str]], first: int, expected: int
) -> None:
    assert shares_after(failures, first, GPU, 8) == expected


def test_a_larger_share_takes_its_slots_and_the_rest_stays_for_others() -> None:
    pool = NodePool()
    pool.admit(Node("a", "a", 8, 1.0), NodeSlots(Resources(2, 0.25), 4))
    placement = pool.find(Leg(0, 0, 0, 4), lambda node: 2)
    assert placement is not None and (placement.resources.gpus, placement.slots) == (0.5, 2)
    pool.occupy(Leg(0, 0, 0, 4), placement)
    assert pool.find(Leg(1, 0, 0, 4)) is None, "until its process is there its half must come free"
    pool.started(FoldRunKey(0, 0))
    for trial in (1, 2):
        found = pool.find(Leg(trial, 0, 0, 4))
        assert found is not None
        pool.occupy(Leg(trial, 0, 0, 4), found)
    assert pool.find(Leg(3, 0, 0, 4)) is None and not pool.with_free_slots()
    assert pool.siblings(FoldRunKey(0, 0)) == 2 and pool.siblings(FoldRunKey(1, 0)) == 2
