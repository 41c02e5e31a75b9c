"""cluster.yaml as Ray reads it. What it does is tested on real servers in tests/lab."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from orchestrator.servers.processes import MARK, TEMP

ROOT = Path(__file__).parents[2]


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
    scripts = [path.read_text() for path in (ROOT / "cluster").glob("*.sh")]
    assert commands(prepared)
    assert scripts
    for text in (*commands(prepared), *scripts):
        assert not re.search(r"\bray stop\b|\bpkill\b|\bkillall\b", text)


def test_a_head_and_workers_are_started_on_a_port_of_our_own_unless_they_run(
    prepared: dict[str, Any],
) -> None:
    head, worker = starts(prepared)
    ports = [
        re.search(r"servers head --port (\d+)", head),
        re.search(r"--port=(\d+)", head),
        re.search(r"join --port (\d+)", head),
        re.search(r"--address=\$RAY_HEAD_IP:(\d+)", worker),
    ]
    numbers = {match.group(1) for match in ports if match}
    assert all(ports)
    assert len(numbers) == 1
    assert "6379" not in numbers  # Ray's default
    for line in (head, worker):
        before, started, after = line.partition(f"|| {MARK}=/tmp/fold-$USER/ray ray start")
        assert started
        assert before.startswith(". ~/fold-orchestrator/cluster/ours.sh")
        assert before.rstrip().endswith("orchestrator.servers running")
        assert "--temp-dir=/tmp/fold-$USER/ray" in after
        assert "--disable-usage-stats" in after


def test_the_folder_of_our_ray_has_one_name(prepared: dict[str, Any]) -> None:
    """In cluster.yaml, which marks the processes with it, in what makes it, and in what finds them."""
    for line in starts(prepared):
        (marked,) = re.findall(rf"{MARK}=(\S+) ray start", line)
        assert marked.replace("$USER", pwd.getpwuid(os.getuid()).pw_name) == TEMP
        assert f"--temp-dir={marked}" in line
        assert f'mkdir -p "{marked}"' in (ROOT / "cluster/ours.sh").read_text()


def test_nothing_listens_for_browsers_from_elsewhere(prepared: dict[str, Any]) -> None:
    head, _ = starts(prepared)
    assert "--include-dashboard=false" in head or "--dashboard-host=127.0.0.1" in head


def test_what_is_copied_is_the_project_as_it_is_installed(given: dict[str, Any]) -> None:
    """Ray reads every file of a mount, excluded ones too: .venv, .git and runs are in none."""
    mounts = given["file_mounts"]
    assert all(there == f"~/fold-orchestrator/{here}" for there, here in mounts.items())
    assert all((ROOT / here).exists() for here in mounts.values())
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= set(mounts.values())
    assert {"pyproject.toml", "constraints.txt", "README.md", "cluster"} <= set(mounts.values())


def test_every_server_installs_the_exact_versions_of_the_constraints(given: dict[str, Any]) -> None:
    (setup,) = given["setup_commands"]
    assert setup == "bash ~/fold-orchestrator/cluster/install.sh"
    script = (ROOT / "cluster/install.sh").read_text()
    assert "pip install --quiet --constraint constraints.txt --editable" in script


def test_the_lines_to_change_are_marked_and_commented_examples_are_valid(given: dict[str, Any]) -> None:
    text = (ROOT / "cluster.yaml").read_text()
    marked = [line for line in text.splitlines() if line.rstrip().endswith("# <--") or "# <-- " in line]
    assert len(marked) == 6
    switched_on = re.sub(r"^  # (?=~/data/faces|- echo)", "  ", text, flags=re.MULTILINE)
    config = prepare_config(yaml.safe_load(switched_on))
    validate_config(config)
    assert "~/data/faces" in config["file_mounts"]
    assert len(config["setup_commands"]) == 2


def test_every_server_given_becomes_a_node(given: dict[str, Any]) -> None:
    provider = {**given["provider"], "worker_ips": ["10.0.0.12", "10.0.0.13"]}
    config = prepare_config({**given, "provider": provider})
    validate_config(config)
    (node_type,) = config["available_node_types"].values()
    assert node_type["min_workers"] == node_type["max_workers"] == 2
