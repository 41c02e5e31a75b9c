"""cluster.yaml as Ray reads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "cluster.yaml").read_text()))


@pytest.fixture(scope="module")
def prepared(given: dict[str, Any]) -> dict[str, Any]:
    """With Ray's defaults filled in where the file says nothing."""
    return dict(prepare_config(given))


def commands(config: dict[str, Any]) -> list[str]:
    return [line for key, lines in config.items() if key.endswith("_commands") for line in lines]


def starts(config: dict[str, Any]) -> list[str]:
    return [line for line in commands(config) if "ray start" in line]


def test_rays_own_schema_accepts_it(prepared: dict[str, Any]) -> None:
    validate_config(prepared)


def test_no_command_stops_other_peoples_ray(prepared: dict[str, Any]) -> None:
    assert commands(prepared)
    for line in commands(prepared):
        assert not re.search(r"\bray stop\b|\bpkill\b|\bkillall\b", line)


def test_a_head_and_workers_are_started_on_a_port_of_our_own_unless_they_run(
    prepared: dict[str, Any],
) -> None:
    head, worker = starts(prepared)
    ports = {re.search(r"--port=(\d+)", head), re.search(r"--address=\$RAY_HEAD_IP:(\d+)", worker)}
    numbers = {match.group(1) for match in ports if match}
    assert len(numbers) == 1
    assert "6379" not in numbers  # Ray's default
    for line in (head, worker):
        before, started, _ = line.partition("|| .venv/bin/ray start")
        assert started
        assert "pgrep" in before
        assert "--temp-dir=/tmp/fold-orchestrator-$USER" in line
        assert "RAY_USAGE_STATS_ENABLED=0" in before


def test_nothing_listens_for_browsers_from_elsewhere(prepared: dict[str, Any]) -> None:
    head, _ = starts(prepared)
    assert "--include-dashboard=false" in head or "--dashboard-host=127.0.0.1" in head


def test_every_server_installs_the_exact_versions_of_the_constraints(given: dict[str, Any]) -> None:
    (setup,) = given["setup_commands"]
    assert "--constraint constraints.txt" in setup
    assert "~/fold-orchestrator" in given["file_mounts"]
    assert (ROOT / given["file_mounts"]["~/fold-orchestrator"] / "pyproject.toml").is_file()
    assert {".venv/", "runs/", ".git/"} <= set(given["rsync_exclude"])


def test_every_server_given_becomes_a_node(given: dict[str, Any]) -> None:
    provider = {**given["provider"], "worker_ips": ["10.0.0.12", "10.0.0.13"]}
    config = prepare_config({**given, "provider": provider})
    validate_config(config)
    (node_type,) = config["available_node_types"].values()
    assert node_type["min_workers"] == node_type["max_workers"] == 2
