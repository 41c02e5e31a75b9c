"""One study's Ray backend, its nodes and their making ready replaced by what a test says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.execution.backends import open_backend
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

    monkeypatch.setattr(cluster, "connect", lambda address: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "alive_nodes", lambda: [A, B])
    monkeypatch.setattr(on_ray, "prepare_nodes", prepare)
    context = SimpleNamespace(get_node_id=lambda: "a")
    monkeypatch.setattr(on_ray.ray, "get_runtime_context", lambda: context)
    return left


def test_the_slots_of_a_node_that_went_away_while_it_was_made_ready_do_not_count(
    ready: list[Node], tmp_path: Path
) -> None:
    """A budget of time and the progress line would otherwise plan with twice the slots there are."""
    labels, folds = np.zeros(2, np.int64), np.zeros(2, np.int16)
    dataset = Dataset("", ("x", "y"), labels, folds, ("red", "blue"), "macro_f1", "max", "f", "")
    with open_backend(inline=False, address=None, request=ResourceRequest()) as backend:
        assert backend.slots == 8
        ready.remove(B)
        store = DirectoryStore(tmp_path)
        backend.prepare("tests.pixel_trainable:PixelTrainable", dataset, {}, store, lambda done, of: None)
        assert backend.slots == 4
