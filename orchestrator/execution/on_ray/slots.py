"""How many fold runs fit on a node at once, and what each of them gets. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.errors import InputError
from orchestrator.core.trainable import Resources


@dataclass(frozen=True)
class Node:
    """One server of a cluster as Ray lists it."""

    id: str  # Ray's
    host: str
    cpus: int
    gpus: float = 0.0
    gpu_type: str = ""  # Ray's name of it, such as "A100" or "T4"; empty where Ray knows none
    raylet: tuple[str, int] = ("", 0)  # where its Ray listens: IP address and port

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True)
class ResourceRequest:
    """GPUs and CPUs of one fold run as the user wants them; with None the node's room decides."""

    gpus: float | None = None
    cpus: int | None = None
    by_type: Mapping[str, float] = field(default_factory=dict)  # type of GPU -> GPUs, in place of `gpus`

    def gpus_on(self, node: Node) -> float | None:
        return self.by_type.get(node.gpu_type, self.gpus)


@dataclass(frozen=True)
class NodeSlots:
    """What each fold run on a node may use, and how many of them run at once."""

    resources: Resources
    number: int

    @property
    def per_gpu(self) -> int:
        """Slots that share one GPU; 1 where a fold run has a GPU to itself, or none."""
        return _fits(1, self.resources.gpus) if 0 < self.resources.gpus < 1 else 1


def parse_resource_request(text: str, cpus: int | None = None) -> ResourceRequest:
    """ "auto", "0.25", or by type of GPU "A100=0.25,T4=1". Raises InputError."""
    if "=" not in text:
        return ResourceRequest(None if text == "auto" else _fraction(text, text), cpus)
    by_type = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if not name.strip() or name.strip() in by_type:
            raise InputError(f"--gpus-per-fold-run {text}: give each type of GPU once, as in A100=0.25,T4=1")
        by_type[name.strip()] = _fraction(value, text)
    return ResourceRequest(None, cpus, by_type)


def _fraction(value: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not math.isfinite(number) or number < 0 or (number > 1 and number != int(number)):
        raise InputError(
            f"--gpus-per-fold-run {text}: give auto, a fraction such as 0.25, a whole number, "
            "or one for each type of GPU such as A100=0.25,T4=1"
        )
    return number


def allocate_slots(nodes: Sequence[Node], request: ResourceRequest) -> dict[str, NodeSlots]:
    """Node id -> its slots; a node without any is not in it. A fold run runs on one node.

    Where any node has a GPU, fold runs take one each unless the request says otherwise, and nodes without are
    left alone; a request of 0 GPUs makes every node a CPU node. The CPUs of a node with GPUs are divided
    evenly among its slots, elsewhere a fold run takes one. Raises InputError for more than any node has.
    """
    _refuse_unknown_types(nodes, request)
    on_gpus = any(node.gpus and request.gpus_on(node) != 0 for node in nodes)
    found = {node.id: slots for node in nodes if (slots := slots_of(node, request, on_gpus)).number}
    if not found:
        raise InputError(_too_much(nodes, request, on_gpus))
    return found


def slots_of(node: Node, request: ResourceRequest, on_gpus: bool) -> NodeSlots:
    """on_gpus: whether this cluster's fold runs use GPUs at all."""
    wanted = request.gpus_on(node)
    gpus = (1.0 if on_gpus else 0.0) if wanted is None else wanted
    if not gpus:
        each = request.cpus or 1
        return NodeSlots(Resources(each, 0.0), node.cpus // each)
    fits = _fits(node.gpus, gpus)
    each = request.cpus or max(1, node.cpus // max(1, fits))
    return NodeSlots(Resources(each, gpus), min(fits, node.cpus // each))


def _refuse_unknown_types(nodes: Sequence[Node], request: ResourceRequest) -> None:
    there = {node.gpu_type for node in nodes if node.gpu_type}
    unknown = sorted(set(request.by_type) - there)
    if unknown:
        raise InputError(
            f"--gpus-per-fold-run: no node has a GPU of type {', '.join(unknown)}; "
            f"types here: {', '.join(sorted(there)) or 'none'}"
        )


def _too_much(nodes: Sequence[Node], request: ResourceRequest, on_gpus: bool) -> str:
    most_gpus = max((node.gpus for node in nodes), default=0.0)
    asked = [gpus for node in nodes if (gpus := request.gpus_on(node)) is not None and gpus > node.gpus]
    if asked and min(asked) > most_gpus:
        return (
            f"--gpus-per-fold-run {min(asked):g}: no server has more than {most_gpus:g} GPUs; "
            "lower it, 0 means CPU"
        )
    most = max((node.cpus for node in nodes if node.gpus or not on_gpus), default=0)
    return f"--cpus-per-fold-run {request.cpus or 1}: no server has more than {most} CPUs; lower it"


def _fits(gpus: float, each: float) -> int:
    """How many fold runs of `each` GPUs fit. Three thirds fit on one GPU, though 3 * 0.33 is not 1."""
    return int(gpus) * int(1 / each + 1e-9) if each <= 1 else int(gpus // each)
