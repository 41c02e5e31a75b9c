"""Ray's control service goes away: Ray ends the command in words of its own, so ours come before."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from orchestrator.execution.on_ray import cluster, node_setup
from orchestrator.execution.on_ray.node_setup import NodeMonitor


def address_of(place: socket.socket) -> str:
    return f"127.0.0.1:{place.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Where nothing listens: a port that is kept, for one that was given back may be another program's."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield address_of(kept)


def test_that_it_is_gone_is_said_once_with_the_way_on(
    silent: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    context = SimpleNamespace(gcs_address="")
    monkeypatch.setattr(cluster.ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(node_setup, "alive_nodes", list)
    monkeypatch.setattr(node_setup, "POLL_S", 0)
    monitor = NodeMonitor([], SimpleNamespace())  # type: ignore[arg-type]  # nothing joins
    with socket.create_server(("127.0.0.1", 0)) as service:
        context.gcs_address = address_of(service)
        monitor.poll()
        assert caplog.text == ""
    context.gcs_address = silent
    for _ in range(3):
        monitor.poll()
    assert caplog.text.count("(gcs_server) is gone") == 1 and "continue with --resume" in caplog.text
