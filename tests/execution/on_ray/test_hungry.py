"""Eight fold runs of 0.3 GiB where there is room for some of them: real processes, measured beforehand."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.execution.on_ray import backend, cluster
from orchestrator.execution.on_ray.node_memory import NodeMemory
from orchestrator.execution.on_ray.slots import Node
from orchestrator.machine.memory import MemoryReading
from orchestrator.tune.request import Request
from orchestrator.tune.run import run_search
from tests.support.helpers import events, journal

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ROOM = int(1.8 * 2**30)
"""Enough for four of 0.3 GiB beside what Ray and Python hold, and by far not for eight."""
SPACE = '''"""Memory."""
from orchestrator.space import SearchSpace, categorical, loguniform

space = SearchSpace(
    trainable="tests.support.hungry:Hungry", target=categorical("tint", ["red", "blue"]), group="group",
    params={"lr": loguniform(0.1, 2.0), "epoch_seconds": 0.5}, folds=2, trials=4, max_t=3,
)
'''


def test_eight_large_fold_runs_never_are_more_than_fit(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Small(NodeMemory):
        """A machine on which fold runs may hold `ROOM`, whatever else runs on this one."""

        def recent(self, node: Node) -> MemoryReading | None:
            reading = super().recent(node)
            return None if reading is None else self._as_small(reading)

        @functools.lru_cache(maxsize=1)  # noqa: B019  # one reading stays one object
        def _as_small(self, reading: MemoryReading) -> MemoryReading:
            return replace(reading, limit=ROOM, used=sum(reading.ours))

    monkeypatch.setattr(backend, "NodeMemory", Small)
    monkeypatch.setattr(cluster, "connect", functools.partial(cluster.connect, cpus=8))
    space = tmp_path / "memory.py"
    space.write_text(SPACE)
    lines: list[str] = []
    request = Request(space=str(space), data=str(faces), runs=tmp_path, study="a", rule="exhaustive")
    result = run_search(request, say=lines.append)
    assert len(result.complete) == 4 and not events(tmp_path / "a", "leg_failed")
    assert 2 <= most_together(tmp_path / "a") <= 4, "as many as fit, and not one by one"


def most_together(study: Path) -> int:
    running, most = set(), 0
    for event in journal(study):
        key = (event.get("trial"), event.get("fold"))
        if event["event"] == "leg_started":
            running.add(key)
        elif event["event"] == "epoch_ended" and event["epoch"] == 3:
            running.discard(key)
        most = max(most, len(running))
    return most
