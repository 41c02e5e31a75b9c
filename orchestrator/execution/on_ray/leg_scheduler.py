"""The driver's race and the cluster's nodes brought together: which leg goes where, and what is gone.

Knows the driver, the fleet and who watches the nodes; not Tune.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from orchestrator.core.events import EpochEnded, FoldRunKey
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray.node_pool import NodePool, Placement
from orchestrator.execution.on_ray.slots import Node, NodeSlots, ResourceRequest, slots_of
from orchestrator.execution.worker import LegOrder, Outcome

log = logging.getLogger(__name__)

PATIENCE = 10  # looks at the nodes until one that did not answer is asked again


class Watcher(Protocol):
    """Who watches the nodes."""

    def look(self) -> tuple[list[Node], set[str] | None]:
        """Nodes that have become ready, and the ids of all that are alive (None: not asked just now)."""
        ...

    def answers(self, node: Node) -> bool:
        """Whether it is there, asked at once."""
        ...


class LegScheduler:
    """Runs one study's legs on nodes that come and go."""

    def __init__(
        self, driver: Driver, fleet: NodePool, watcher: Watcher, share: ResourceRequest, on_gpus: bool
    ) -> None:
        """on_gpus: whether fold runs use GPUs; decided when the study was opened, for late nodes too."""
        self._driver, self._fleet, self._watcher = driver, fleet, watcher
        self._share, self._on_gpus = share, on_gpus
        self._silent: dict[str, Node] = {}  # did not answer, though the head believes they are there
        self.gone: set[str] = set()  # ids of nodes that will not come back
        self._looks = 0
        self._waits = False

    @property
    def done(self) -> bool:
        return self._driver.done

    # ---- legs ----

    def next(self) -> tuple[LegOrder, Placement] | None:
        """The race's next leg and its place, in the journal as started; None: nothing now, or done."""
        if not self._fleet.slots:
            return None
        leg = self._driver.coming()
        if leg is None:
            return None
        whole_gpu = self._driver.needs_whole_gpu(leg.key)
        place = self._fleet.place(leg, whole_gpu, self._driver.left_after(leg))
        if place is None:
            return None
        order = self._driver.start(leg, place.node.host)
        self._fleet.sit(leg, place)
        return order, place

    def report(self, outcome: Outcome) -> bool:
        """What a worker sent; whether it goes on with its leg, or with the next one of the same fold run."""
        key = FoldRunKey(outcome.trial, outcome.fold)
        if isinstance(outcome, EpochEnded):
            self._fleet.reported(key, outcome.epoch, outcome.seconds)
        answer = self._driver.report(outcome)
        if not answer.goes_on:
            self._fleet.stand_up(key)
        elif answer.order is not None:
            self._fleet.goes_on(answer.order.leg)
        return answer.goes_on

    def lost(self, key: FoldRunKey, text: str) -> None:
        """The process of a fold run died: with its node, which is nobody's fault, or alone."""
        self._fleet.stand_up(key)
        self._driver.lost(key, "killed" if self._still_there(key) else "lost", _first_line(text), text)

    def lost_all(self, text: str) -> None:
        """Nothing that was under way will report any more."""
        for key in self._driver.running_keys():
            self._fleet.stand_up(key)
            self._driver.lost(key, "lost", _first_line(text), text)

    def idle_seats(self, node: str, gpus: float) -> int:
        """How many idle processes, each holding so many GPUs, a node may keep for the legs to come."""
        return self._fleet.seats_for(node, gpus)

    # ---- nodes ----

    def look(self) -> None:
        """Takes note of nodes that came and went."""
        ready, alive = self._watcher.look()
        for node in ready:
            self._admit(node)
        if alive is not None:
            self._compare(alive)
        self._note_waiting()

    def _compare(self, alive: set[str]) -> None:
        for name in sorted({*self._fleet.nodes, *self._silent} - alive):
            self.gone.add(name)
            if self._silent.pop(name, None) is None:
                self._drop(self._fleet.nodes[name])
        self._looks += 1
        if self._looks % PATIENCE == 0:  # one that does not answer takes seconds to ask
            for node in [node for node in self._silent.values() if self._watcher.answers(node)]:
                del self._silent[node.id]
                self._admit(node)

    def _still_there(self, key: FoldRunKey) -> bool:
        """Whether the node of a fold run whose process died lives on."""
        node = self._fleet.nodes.get(self._fleet.node_of(key))
        if node is None:
            return False
        if not self._watcher.answers(node):
            self._silent[node.id] = node
            self._drop(node)
            return False
        return True

    def _drop(self, node: Node) -> None:
        log.warning("node %s is gone; its fold runs go on elsewhere", node)
        self._fleet.drop(node.id)
        self._driver.use_slots(self._fleet.slots)

    def _admit(self, node: Node) -> None:
        seats = slots_of(node, self._share, self._on_gpus)
        if seats.number:
            self._fleet.admit(node, seats)
            self._driver.use_slots(self._fleet.slots)
            log.warning("node %s joined: %d more slots", node, seats.number)

    def _note_waiting(self) -> None:
        waits = not self._fleet.slots
        if waits and not self._waits:
            log.warning("no node is left to run on; waiting for one to join (Ctrl-C saves and ends)")
        self._waits = waits


def new_node_pool(nodes: Mapping[str, Node], seats: Mapping[str, NodeSlots]) -> NodePool:
    """Of the nodes that have seats."""
    fleet = NodePool()
    for node, own in seats.items():
        fleet.admit(nodes[node], own)
    return fleet


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else text
