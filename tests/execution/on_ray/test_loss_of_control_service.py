"""Ray's control service goes away: Ray ends the command in words of its own, so ours come before."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from orchestrator.execution.on_ray import cluster, node_setup
from orchestrator.execution.on_ray.node_setup import NodeMonitor


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """What listens in its place, until it is closed."""
    service = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{service.getsockname()[1]}"
    context = SimpleNamespace(gcs_address=address)
    monkeypatch.setattr(cluster.ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(node_setup, "alive_nodes", list)
    monkeypatch.setattr(node_setup, "POLL_S", 0)
    return service


def test_that_it_is_gone_is_said_once_with_the_way_on(
    head: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = NodeMonitor([], SimpleNamespace())  # type: ignore[arg-type]  # nothing joins
    with head:
        monitor.poll()
        assert caplog.text == ""
    for _ in range(3):
        monitor.poll()
    assert caplog.text.count("(gcs_server) is gone") == 1 and "continue with --resume" in caplog.text
