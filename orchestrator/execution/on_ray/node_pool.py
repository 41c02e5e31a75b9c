"""Which node takes which leg. Pure: it is told of nodes, legs and epochs, and knows no Ray.

A leg goes to the fastest node that has a free seat. The last stretch of a fold run rather waits for a faster
node where it ends sooner: a slow seat takes it only if it is done there before the faster seats could have
done it, or all that is left of the race.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.core.events import FoldRunKey, Leg
from orchestrator.core.trainable import Resources
from orchestrator.execution.on_ray.node_speeds import Speeds
from orchestrator.execution.on_ray.slots import Node, NodeSlots

ALIKE = 0.1  # of log seconds: nodes that differ less count as equally fast


@dataclass(frozen=True)
class Placement:
    """Where a leg goes and what it may use there."""

    node: Node
    resources: Resources


@dataclass
class _RunningLeg:
    leg: Leg
    node: str
    seats: int
    begun: bool = False  # it has reported
    done: int = 0  # epochs

    @property
    def epochs_left(self) -> int:
        return max(0, self.leg.end - self.done)


class NodePool:
    """The nodes in use, their seats, and the fold runs sitting on them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._seats: dict[str, NodeSlots] = {}
        self._sitting: dict[FoldRunKey, _RunningLeg] = {}
        self._on: dict[str, dict[FoldRunKey, _RunningLeg]] = defaultdict(dict)  # the same by node
        self._last: dict[FoldRunKey, str] = {}  # where a fold run ran last: its model may still be in memory
        self._speeds = Speeds()

    # ---- nodes ----

    def admit(self, node: Node, seats: NodeSlots) -> None:
        self._nodes[node.id], self._seats[node.id] = node, seats

    def drop(self, node: str) -> list[FoldRunKey]:
        """A node is gone; the fold runs that sat on it."""
        self._nodes.pop(node, None)
        self._seats.pop(node, None)
        return list(self._on[node])

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self._nodes

    @property
    def slots(self) -> int:
        return sum(seats.number for seats in self._seats.values())

    # ---- legs ----

    def place(self, leg: Leg, whole_gpu: bool = False, left: int | None = None) -> Placement | None:
        """Where this leg should go now; None: nowhere now.

        left: for a leg that makes a fold run whole, the fold-epochs of the race still to come.
        """
        free = {node: count for node in self._nodes if (count := self._free(node)) > 0}
        if not free:
            return None
        best = min(free, key=lambda node: self._rank(node, leg, free[node], whole_gpu))
        if left is not None and self._ends_sooner_elsewhere(leg, best, left):
            return None
        resources = self._seats[best].resources
        if whole_gpu and 0 < resources.gpus < 1:
            resources = replace(resources, gpus=1.0)
        return Placement(self._nodes[best], resources)

    def sit(self, leg: Leg, place: Placement) -> None:
        seats = self._seats[place.node.id]
        whole = place.resources.gpus > seats.resources.gpus
        sitting = _RunningLeg(leg, place.node.id, seats.per_gpu if whole else 1, False, leg.start)
        self._sitting[leg.key] = self._on[place.node.id][leg.key] = sitting
        self._last[leg.key] = place.node.id

    def goes_on(self, leg: Leg) -> None:
        """A fold run stays in its seat for its next leg."""
        self._sitting[leg.key].leg = leg

    def reported(self, key: FoldRunKey, epoch: int, seconds: float) -> None:
        sitting = self._sitting[key]
        sitting.begun, sitting.done = True, epoch
        self._speeds.note(key.trial, sitting.node, seconds)

    def stand_up(self, key: FoldRunKey) -> None:
        sitting = self._sitting.pop(key, None)
        if sitting is not None:
            del self._on[sitting.node][key]

    def node_of(self, key: FoldRunKey) -> str:
        """Where it sits, or sat last."""
        return self._last[key]

    def seats_for(self, node: str, gpus: float) -> int:
        """Slots of a node, for processes that hold so many GPUs; 0 while it has to be cleared for another."""
        seats = self._seats.get(node)
        if seats is None or seats.resources.gpus != gpus or self._is_cleared(node):
            return 0
        return seats.number

    # ---- inside ----

    def _is_cleared(self, node: str) -> bool:
        """New shares of a GPU would keep it from ever being whole for the fold run that waits there."""
        return any(sitting.seats > 1 and not sitting.begun for sitting in self._on[node].values())

    def _free(self, node: str) -> int:
        if self._is_cleared(node):
            return 0
        return self._seats[node].number - sum(sitting.seats for sitting in self._on[node].values())

    def _rank(self, node: str, leg: Leg, free: int, whole_gpu: bool) -> tuple[float, ...]:
        fits = not whole_gpu or free >= self._seats[node].per_gpu
        slowness = round(math.log(self._speeds.slowness(node)) / ALIKE)
        return (not fits, slowness, self._last.get(leg.key) != node, -free)

    def _ends_sooner_elsewhere(self, leg: Leg, here: str, left: int) -> bool:
        own = self._speeds.seconds(leg.trial, here)
        if own is None:
            return False
        slowest = own * math.exp(-ALIKE)
        faster = {node: seconds for node in self._nodes if (seconds := self._seconds(leg, node)) < slowest}
        if not faster:
            return False
        epochs = leg.end - leg.start
        one = min(self._free_in(node) + epochs * seconds for node, seconds in faster.items())
        rate = sum(self._seats[node].number / seconds for node, seconds in faster.items())
        return epochs * own > max(one, left / rate)

    def _seconds(self, leg: Leg, node: str) -> float:
        return self._speeds.seconds(leg.trial, node) or math.inf

    def _free_in(self, node: str) -> float:
        """Seconds until the first seat of a node is free."""
        if self._free(node) > 0:
            return 0.0
        return min(
            sitting.epochs_left * (self._speeds.seconds(sitting.leg.trial, node) or 0.0)
            for sitting in self._on[node].values()
        )
