"""What a node must show before fold runs go there, at the start of a study and while it runs.

A node is ready when its versions and sources are the driver's, it reaches the store, it holds the images and
the trainable has prepared itself there.
"""

from __future__ import annotations

import logging
import platform
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.core.callbacks import Announce, Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError, OrchestratorError
from orchestrator.core.trainable import load_trainable
from orchestrator.execution.on_ray.cluster import alive_nodes, answers, head_answers
from orchestrator.execution.on_ray.head_store import check_reachable
from orchestrator.execution.on_ray.slots import Node
from orchestrator.inputs.node_images import check_images, resolve_on_node
from orchestrator.machine.node_facts import NodeFacts, gather, reasons_against
from orchestrator.storage.contract import CheckpointStore

log = logging.getLogger(__name__)

POLL_S = 1.0  # seconds between two polls of the nodes


@dataclass(frozen=True)
class NodeSetup:
    """What fold runs of one study need on a node."""

    trainable: str  # "package.module:Class"
    dataset: Dataset
    values: Mapping[str, Sequence[Any]]  # parameter -> the values it can take
    store: CheckpointStore  # as workers reach it
    driver: NodeFacts  # versions and sources that every node must have, as of the study's opening
    own_node: str  # Ray's id of the driver's node, which has them


@dataclass(frozen=True)
class _Told:
    """What a trainable's `prepare` returned, on its way to the driver."""

    lines: Sequence[str]


class _Preparation:
    """One node making itself ready."""

    def __init__(self, node: Node, setup: Any) -> None:
        """setup: a NodeSetup as Ray keeps it."""
        strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
        self.node = node
        self.stream = _prepare_node.options(scheduling_strategy=strategy).remote(setup)
        self.done, self.total, self.finished = 0, 0, False  # done of total: images, as `progress` counts them
        self.error: OrchestratorError | None = None  # why the node cannot be used, once `finished`
        self.gone = ""  # why no more messages will come, if so
        self.told: Sequence[str] = ()  # what the trainable has to tell the user, once `finished`

    def take_message(self) -> None:
        """Called when `ray.wait` reports that one is there."""
        try:
            message = ray.get(next(self.stream))
        except StopIteration:
            self.finished = True
            return
        except ray.exceptions.RayError as error:
            self.finished = True
            self.gone = str(error).splitlines()[0]
            return
        if isinstance(message, OrchestratorError):
            self.error = message
        elif isinstance(message, _Told):
            self.told = message.lines
        else:
            self.done, self.total = message


@ray.remote(num_cpus=0, num_returns="streaming")  # type: ignore[untyped-decorator]
def _prepare_node(setup: NodeSetup) -> Iterator[Any]:
    """Yields (done, total), then what there is to tell, or the error that keeps this node from being used."""
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            told = _ready_or_raise(setup, lambda done, total: messages.put((done, total)))
            messages.put(_Told(told))
        except OrchestratorError as error:
            messages.put(error)
        except Exception as error:
            messages.put(OrchestratorError(f"{setup.trainable}.prepare: {type(error).__name__}: {error}"))
        messages.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (message := messages.get()) is not None:
        yield message


def _ready_or_raise(setup: NodeSetup, progress: Progress) -> Sequence[str]:
    if ray.get_runtime_context().get_node_id() != setup.own_node:
        reasons = reasons_against(setup.driver, gather(setup.trainable))
        if reasons:
            raise InputError(f"server {platform.node()}: {'; '.join(reasons)}")
    check_reachable(setup.store, platform.node())
    dataset = resolve_on_node(setup.dataset)
    check_images(dataset, progress)
    return load_trainable(setup.trainable).prepare(dataset, setup.values, progress) or ()


def prepare_nodes(nodes: Sequence[Node], setup: NodeSetup, progress: Progress, tell: Announce) -> list[Node]:
    """Prepares all nodes at once; returns those that are ready. One that went away meanwhile is left out.

    Raises one InputError with what keeps which of them from being used.
    """
    shared = ray.put(setup)
    preparations = [_Preparation(node, shared) for node in nodes]
    waiting = {preparation.stream: preparation for preparation in preparations}
    while waiting:
        for stream in ray.wait(list(waiting))[0]:
            waiting[stream].take_message()
            if waiting[stream].finished:
                del waiting[stream]
        if total := sum(preparation.total for preparation in preparations):
            progress(sum(preparation.done for preparation in preparations), total)
    errors = [preparation.error for preparation in preparations if preparation.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InputError("\n".join(dict.fromkeys(map(str, errors))))
    for preparation in preparations:
        for line in preparation.told:
            tell(line)
    for lost in [preparation for preparation in preparations if preparation.gone]:
        log.warning("node %s went away while it was made ready (%s)", lost.node, lost.gone)
    ready = [preparation.node for preparation in preparations if not preparation.gone]
    if not ready:
        raise InputError(
            "every node went away while it was made ready; see that Ray runs there (`ray up cluster.yaml`), "
            "then try again"
        )
    return ready


class NodeMonitor:
    """Notices nodes that join, makes them ready beside the study, and nodes that are gone."""

    def __init__(self, known: Sequence[Node], setup: NodeSetup) -> None:
        self._setup = setup
        self._shared: Any = None
        self._known = {node.id for node in known}
        self._preparing: list[_Preparation] = []
        self._polled_at = time.monotonic()
        self._has_head = True

    def poll(self) -> tuple[list[Node], set[str] | None]:
        """Nodes that have become ready, and the ids of all that are alive (None where it did not ask now)."""
        ready = self._take_ready()
        if time.monotonic() - self._polled_at < POLL_S:
            return ready, None
        self._note_head()
        nodes = alive_nodes()
        self._polled_at = time.monotonic()
        for node in nodes:
            if node.id not in self._known:
                self._known.add(node.id)
                self._preparing.append(_Preparation(node, self._setup_on_ray()))
        return ready, {node.id for node in nodes}

    def _note_head(self) -> None:
        """Said here, because Ray ends this process in words of its own."""
        has_head = head_answers()
        if self._has_head and not has_head:
            log.warning(
                "Ray's control service (gcs_server) is gone; unless it comes back, Ray ends this command "
                "within a minute.\nEverything finished is saved: continue with --resume, on a Ray that runs"
            )
        self._has_head = has_head

    def answers(self, node: Node) -> bool:
        """Whether it is there, asked at once."""
        return answers(node)

    def _setup_on_ray(self) -> Any:
        self._shared = self._shared or ray.put(self._setup)
        return self._shared

    def _take_ready(self) -> list[Node]:
        ready = []
        for preparation in list(self._preparing):
            while not preparation.finished and ray.wait([preparation.stream], timeout=0)[0]:
                preparation.take_message()
            if preparation.finished:
                self._preparing.remove(preparation)
                if preparation.error is None and not preparation.gone:
                    ready.append(preparation.node)
                elif preparation.error is not None:
                    refused = (preparation.node, preparation.error)
                    log.warning("not used until its Ray is started again: %s (%s)", *refused)
        return ready
