"""Ray Tune without its actors' processes.

Tune's own controller, its futures and `ray.wait` over all of them are real; behind them one process answers
for every actor, at once, with an epoch that took no time. What is left is the driver's side.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import ray
from ray.air.execution.resources import AcquiredResources, ResourceManager, ResourceRequest
from ray.tune.execution import tune_controller

from orchestrator.core.events import EpochEnded, Leg
from orchestrator.execution.on_ray.tune_adapter import encode


@ray.remote(num_cpus=0, max_concurrency=4000)  # type: ignore[untyped-decorator]
class Host:
    """Answers for every actor there would be."""

    def __init__(self) -> None:
        self._at: dict[int, tuple[Leg, int]] = {}

    async def reset(self, actor: int, leg: Leg) -> bool:
        self._at[actor] = leg, leg.start
        return True

    async def train(self, actor: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        leg, epoch = self._at[actor]
        self._at[actor] = leg, epoch + 1
        outcome = EpochEnded(leg.trial, leg.fold, epoch + 1, 0.5, {"macro_f1": 0.5}, 30.0)
        done = {"done": False, "training_iteration": epoch + 1, "time_this_iter_s": 0.0, "time_total_s": 0.0}
        return {**done, "outcome": encode(outcome)}

    async def save(self) -> SimpleNamespace:
        """Tune's own checkpoint, which we never make."""
        return SimpleNamespace(checkpoint=None, metrics={})

    async def other(self) -> None:
        """Being ready, or stopping."""


class Call:
    def __init__(self, remote: Callable[..., Any]) -> None:
        self.remote = remote


class Shadow:
    """What Tune takes for the handle of an actor."""

    made = 0

    def __init__(self, host: Any, config: dict[str, Any]) -> None:
        Shadow.made += 1
        number = Shadow.made
        self._begun = host.reset.remote(number, config["assignment"].leg)
        self.train = Call(lambda: host.train.remote(number))
        self.reset = Call(lambda config, *_, **__: host.reset.remote(number, config["assignment"].leg))
        self.save = Call(lambda *_, **__: host.save.remote())
        self._other = Call(lambda *_, **__: host.other.remote())

    def __getattr__(self, name: str) -> Call:
        return self._other


class Granted(AcquiredResources):
    host: Any = None

    def annotate_remote_entities(self, entities: Sequence[Any]) -> list[Any]:
        return [Call(lambda config, **_: Shadow(Granted.host, config))]

    def _annotate_remote_entity(self, entity: Any, bundle: dict[str, float], bundle_index: int) -> Any:
        raise NotImplementedError


class Room(ResourceManager):
    """Each request names its node; as many fit there as there are slots."""

    slots = 8

    def __init__(self) -> None:
        self._taken: Counter[ResourceRequest] = Counter()

    def request_resources(self, resource_request: ResourceRequest) -> None:
        """Seen when it is ready."""

    def cancel_resource_request(self, resource_request: ResourceRequest) -> None:
        """Nothing was held."""

    def has_resources_ready(self, resource_request: ResourceRequest) -> bool:
        return self._taken[resource_request] < self.slots

    def acquire_resources(self, resource_request: ResourceRequest) -> AcquiredResources:
        self._taken[resource_request] += 1
        return Granted(resource_request)

    def free_resources(self, acquired_resource: AcquiredResources) -> None:
        self._taken[acquired_resource.resource_request] -= 1

    def clear(self) -> None:
        self._taken.clear()


@contextmanager
def no_processes() -> Iterator[None]:
    Granted.host = Host.remote()
    with patch.object(tune_controller, "PlacementGroupResourceManager", Room):
        yield
