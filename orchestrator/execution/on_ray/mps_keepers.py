"""CUDA's MPS daemons of a search: one on each node whose GPUs are shared, kept by an actor there."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.core.callbacks import Announce
from orchestrator.core.text import on_one_line
from orchestrator.execution.on_ray.slots import Node
from orchestrator.machine.mps import MpsError, own_daemon

log = logging.getLogger(__name__)

START_S, STOP_S = 60.0, 30.0  # seconds for a node to start its daemon, and to end it


class MpsKeepers:
    """Those of one search."""

    def __init__(self) -> None:
        self._actors: dict[str, Any] = {}
        self.environments: dict[str, Mapping[str, str]] = {}
        """Node id -> what programs there need in their environment, where a daemon of ours runs."""
        self._reasons: dict[str, str] = {}

    def start(self, nodes: Sequence[Node]) -> None:
        """One on each, where it may be started."""
        asked = {node: self._ask(node) for node in nodes}
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=START_S)
        for node, answer in asked.items():
            found = _answer(answer)
            if isinstance(found, str):
                self._reasons[node.id] = found
                self.stop([node.id])
            else:
                self.environments[node.id] = found

    def say_where_not(self, nodes: Sequence[Node], say: Announce) -> None:
        """A line for each reason."""
        why: dict[str, list[str]] = {}
        for node in nodes:
            if (reason := self._reasons.get(node.id)) is not None:
                why.setdefault(reason, []).append(on_one_line(str(node)))
        for reason, names in why.items():
            where = "" if len(names) == len(nodes) else f" on {', '.join(names)}"
            say(f"MPS is not used{where}, so that fold runs take turns on a GPU: {on_one_line(reason)}")

    def _ask(self, node: Node) -> Any:
        strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
        self._actors[node.id] = _Keeper.options(scheduling_strategy=strategy).remote()
        return self._actors[node.id].start.remote()

    def stop(self, nodes: Collection[str] | None = None) -> None:
        """Those of some nodes, or all."""
        actors = {
            node: self._actors.pop(node) for node in list(self._actors) if nodes is None or node in nodes
        }
        for node in actors:
            self.environments.pop(node, None)
        asked = [actor.stop.remote() for actor in actors.values()]
        if asked:
            ray.wait(asked, num_returns=len(asked), timeout=STOP_S)
        for actor in actors.values():
            ray.kill(actor)


def _answer(answer: Any) -> Mapping[str, str] | str:
    try:
        found: Mapping[str, str] | str = ray.get(answer, timeout=0)
    except ray.exceptions.RayError as error:
        return str(error).splitlines()[0]
    return found


class NodeDaemon:
    """On a node, from `start` to `stop`."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def start(self) -> dict[str, str] | str:
        """The environment for programs, or why there is no daemon."""
        # Ray hides all GPUs from processes that ask for none.
        hidden = not os.environ.get("CUDA_VISIBLE_DEVICES", "all")
        seen = {
            name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES" or not hidden
        }
        try:
            return self._stack.enter_context(own_daemon(seen))
        except MpsError as error:
            return str(error)

    def stop(self) -> None:
        self._stack.close()


_Keeper = ray.remote(num_cpus=0)(NodeDaemon)
