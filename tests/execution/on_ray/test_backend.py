"""One study's Ray backend, its nodes and their making ready replaced by what a test says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.execution.backends import Backend, open_backend
from orchestrator.execution.on_ray import backend as on_ray
from orchestrator.execution.on_ray import cluster
from orchestrator.execution.on_ray.slots import Node, ResourceRequest
from orchestrator.storage import DirectoryStore

A, B = Node("a", "server-a", 4), Node("b", "server-b", 4)


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> list[Node]:
    """The nodes that make themselves ready, of two with four CPUs each; a test may take some out."""
    left = [A, B]

    def prepare(nodes: Sequence[Node], *rest: object) -> list[Node]:
        return [node for node in nodes if node in left]

    monkeypatch.setattr(cluster, "connect", lambda address, **options: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "alive_nodes", lambda: [A, B])
    monkeypatch.setattr(on_ray, "prepare_nodes", prepare)
    context = SimpleNamespace(get_node_id=lambda: "a")
    monkeypatch.setattr(on_ray.ray, "get_runtime_context", lambda: context)
    return left


@pytest.fixture
def dataset() -> Dataset:
    labels, folds = np.zeros(2, np.int64), np.zeros(2, np.int16)
    return Dataset("", ("x", "y"), labels, folds, ("red", "blue"), "macro_f1", "max", "f", "")


def prepare(backend: Backend, dataset: Dataset, folder: Path) -> None:
    trainable, store = "tests.pixel_trainable:PixelTrainable", DirectoryStore(folder)
    backend.prepare(trainable, dataset, {}, store, lambda done, of: None)


def test_the_slots_of_a_node_that_went_away_while_it_was_made_ready_do_not_count(
    ready: list[Node], dataset: Dataset, tmp_path: Path
) -> None:
    """A budget of time and the progress line would otherwise plan with twice the slots there are."""
    with open_backend(inline=False, address=None, request=ResourceRequest()) as backend:
        assert backend.slots == 8
        ready.remove(B)
        prepare(backend, dataset, tmp_path)
        assert backend.slots == 4


def test_slots_follow_the_nodes_that_come_and_go_while_a_race_runs(
    ready: list[Node], dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Node("late", "server-late", 2)
    monitor = SimpleNamespace(poll=lambda: ([late], {"a", "late"}))
    monkeypatch.setattr(on_ray, "NodeMonitor", lambda *arguments: monitor)
    monkeypatch.setattr(
        on_ray, "run_on_tune", lambda driver, setup, scheduler, own_ray: scheduler.poll_nodes()
    )
    numbers: list[int] = []
    driver: Any = SimpleNamespace(use_slots=numbers.append)
    with open_backend(inline=False, address=None, request=ResourceRequest()) as backend:
        prepare(backend, dataset, tmp_path)
        backend.run(driver)
        assert backend.slots == 4 + 2
    assert numbers == [8 + 2, 4 + 2]
