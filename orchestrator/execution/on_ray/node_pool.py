"""Which node takes which leg. Pure: it hears of nodes, legs and epochs, and knows no Ray.

A leg goes to the fastest node that has a free slot. The last leg of a fold run rather waits for a faster node
where it ends sooner: a slow slot takes it only if it ends there before the faster slots could have done it,
or all that is left of the race.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.core.events import FoldRunKey, Leg
from orchestrator.core.trainable import Resources
from orchestrator.execution.on_ray.node_speeds import Speeds
from orchestrator.execution.on_ray.slots import Node, NodeSlots

Shares = Callable[[str], int]
"""Node id -> slots that a leg takes there; more than one for a larger share of a GPU."""

ALIKE = 0.1  # log seconds an epoch; nodes that differ less count as equally fast


@dataclass(frozen=True)
class Placement:
    """Where a leg goes and what it may use there."""

    node: Node
    resources: Resources
    slots: int = 1  # it takes up so many of the node's


@dataclass
class _RunningLeg:
    leg: Leg
    node: str  # its id
    slots: int  # it takes up so many: more than one where it has a larger share of a GPU than others
    begun: bool = False  # it has reported an epoch
    started: bool = False  # its process is there, so that Ray has given it what it takes up
    epochs_done: int = 0

    @property
    def epochs_left(self) -> int:
        return max(0, self.leg.end - self.epochs_done)


class NodePool:
    """The nodes in use, their slots, and the legs that run in them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._slots: dict[str, NodeSlots] = {}
        self._running: dict[FoldRunKey, _RunningLeg] = {}
        self._on: dict[str, dict[FoldRunKey, _RunningLeg]] = defaultdict(dict)  # the same by node
        self._last: dict[FoldRunKey, str] = {}  # where a fold run ran last: its model may still be in memory
        self._speeds = Speeds()
        self._held: dict[int, _RunningLeg] = {}  # processes that wait at a GPU that others have taken
        self._holds = 0  # so many ever waited
        self._full: Mapping[str, int] = {}  # nodes without memory for one more -> fold runs they have it for

    # ---- nodes ----

    def admit(self, node: Node, slots: NodeSlots) -> None:
        self._nodes[node.id], self._slots[node.id] = node, slots

    def drop(self, node: str) -> list[FoldRunKey]:
        """Takes out a node that is gone; returns the fold runs that ran there."""
        self._nodes.pop(node, None)
        self._slots.pop(node, None)
        self._held = {hold: at for hold, at in self._held.items() if at.node != node}
        return list(self._on[node])

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self._nodes

    @property
    def slots(self) -> int:
        return sum(slots.number for slots in self._slots.values())

    def slots_of(self, node: str) -> NodeSlots:
        return self._slots[node]

    def per_gpu(self, node: str) -> int:
        """Slots that share one of its GPUs."""
        return self._slots[node].per_gpu

    def with_free_slots(self) -> dict[str, tuple[int, NodeSlots]]:
        """Node id -> fold runs that run there and its slots."""
        return {
            node: (len(self._on[node]), slots)
            for node, slots in self._slots.items()
            if self._taken(node) < slots.number
        }

    def mark_full(self, nodes: Iterable[str]) -> None:
        """Until the next call these take no more fold runs than now: they lack memory for one more."""
        self._full = {node: len(self._on[node]) for node in nodes}

    @property
    def usable_slots(self) -> int:
        """Those that a full node has no memory for left out; never below one for a node."""
        return sum(
            max(1, min(self._full.get(node, slots.number), slots.number - self._held_on(node)))
            for node, slots in self._slots.items()
        )

    def siblings(self, key: FoldRunKey) -> int:
        """At most so many other fold runs share its GPU."""
        running = self._running[key]
        if running.node not in self._slots:
            return 0
        beside = self._slots[running.node].per_gpu - running.slots
        return min(beside, len(self._on[running.node]) - 1)

    def has_a_part(self, key: FoldRunKey) -> bool:
        """Whether others may have had another part of its GPU beside it."""
        running = self._running[key]
        return running.node in self._slots and running.slots < self._slots[running.node].per_gpu

    def running_on(self, node: str) -> int:
        return len(self._on[node])

    def legs_on(self, node: str) -> dict[FoldRunKey, bool]:
        """The fold runs that run there, each with whether it has ended an epoch of its leg."""
        return {key: running.begun for key, running in self._on[node].items()}

    # ---- legs ----

    def find(self, leg: Leg, shares: Shares = lambda node: 1, left: int | None = None) -> Placement | None:
        """Where this leg should go now; None when it should wait.

        shares: slots that it takes of a node, at most all of a GPU. left: fold-epochs of the race still to
        come; given for a leg that completes its fold run, which waits for a faster node where it would end
        sooner.
        """
        free = {node: count for node in self._nodes if (count := self._free(node)) > 0}
        if not free:
            return None
        best = min(free, key=lambda node: self._rank(node, leg, free[node], shares))
        if left is not None and self._ends_sooner_elsewhere(leg, best, left):
            return None
        slots, number = self._slots[best], self._shares(best, shares)
        gpus = 1.0 if 1 < slots.per_gpu == number else number * slots.resources.gpus
        return Placement(self._nodes[best], replace(slots.resources, gpus=gpus), number)

    def occupy(self, leg: Leg, placement: Placement) -> None:
        node = placement.node.id
        running = _RunningLeg(leg, node, placement.slots, epochs_done=leg.start)
        self._running[leg.key] = self._on[node][leg.key] = running
        self._last[leg.key] = node

    def started(self, key: FoldRunKey) -> None:
        """Its process is there."""
        if key in self._running:
            self._running[key].started = True

    def continue_with(self, leg: Leg) -> None:
        """Its fold run keeps its slot for the next leg."""
        self._running[leg.key].leg = leg

    def reported(self, key: FoldRunKey, epoch: int, seconds: float) -> None:
        running = self._running[key]
        running.begun = running.started = True
        running.epochs_done = epoch
        self._speeds.note(key.trial, running.node, seconds)

    def release(self, key: FoldRunKey) -> None:
        running = self._running.pop(key, None)
        if running is not None:
            del self._on[running.node][key]

    def hold(self, key: FoldRunKey) -> int:
        """Its leg is over, and its process keeps what it takes up: so Ray gives the GPU there to nobody.
        Returns what `let_go` knows it by."""
        running = self._running[key]
        self.release(key)
        self._holds += 1
        self._held[self._holds] = running
        return self._holds

    def let_go(self, hold: int) -> None:
        """That process has ended, or takes legs again."""
        self._held.pop(hold, None)

    def let_all_go(self) -> None:
        self._held.clear()

    def node_of(self, key: FoldRunKey) -> str:
        """Where it runs, or ran last."""
        return self._last[key]

    def slots_for(self, node: str, gpus: float) -> int:
        """Slots of a node for processes that hold `gpus` GPUs; 0 while one waits there for a larger share."""
        slots = self._slots.get(node)
        if slots is None or slots.resources.gpus != gpus or self._is_reserved(node):
            return 0
        return self._full.get(node, slots.number)  # idle ones hold memory too

    # ---- inside ----

    def _is_reserved(self, node: str) -> bool:
        """A GPU's parts, handed out anew, would keep it from ever being free for the fold run that waits."""
        return any(running.slots > 1 and not running.started for running in self._on[node].values())

    def _shares(self, node: str, shares: Shares) -> int:
        return max(1, min(shares(node), self._slots[node].per_gpu))

    def _taken(self, node: str) -> int:
        return sum(running.slots for running in self._on[node].values()) + self._held_on(node)

    def _held_on(self, node: str) -> int:
        return sum(running.slots for running in self._held.values() if running.node == node)

    def _free(self, node: str) -> int:
        if self._is_reserved(node):
            return 0
        most = self._full.get(node, self._slots[node].number)
        return most - self._taken(node)

    def _rank(self, node: str, leg: Leg, free: int, shares: Shares) -> tuple[float, ...]:
        number = self._shares(node, shares)
        # Where a process waits at a part of a GPU, the free parts may be of no GPU that is free as a whole.
        fits = free >= number and not (number > 1 and self._held_on(node))
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
        one = min(self._seconds_until_free(node) + epochs * seconds for node, seconds in faster.items())
        rate = sum(self._slots[node].number / seconds for node, seconds in faster.items())
        return epochs * own > max(one, left / rate)

    def _seconds(self, leg: Leg, node: str) -> float:
        return self._speeds.seconds(leg.trial, node) or math.inf

    def _seconds_until_free(self, node: str) -> float:
        """Seconds until the first slot of a node is free, as expected."""
        if self._free(node) > 0:
            return 0.0
        seconds = (
            running.epochs_left * (self._speeds.seconds(running.leg.trial, node) or 0.0)
            for running in self._on[node].values()
        )
        return min(seconds, default=math.inf)  # nobody runs there: it has no memory for one
