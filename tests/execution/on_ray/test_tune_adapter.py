"""The same studies on a real Ray: warm actors, lost processes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.study.study import Study
from tests.support.helpers import check_consistent, curves, events, journal
from tests.support.tune_command import ROOT, command, run

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """A Ray that outlives single commands, so that each of them starts in a second; two CPUs."""
    import ray

    from orchestrator.execution.on_ray import cluster

    os.environ["PYTHONPATH"] = str(ROOT)
    with cluster.connect(None, cpus=2):
        yield ray.get_runtime_context().gcs_address


def test_a_slots_process_has_one_name_whatever_it_does() -> None:
    """Tune's own wrapper trained under another one: processes that train were no fold runs for the guard."""
    from types import SimpleNamespace

    from orchestrator.execution.on_ray.node_memory import MARKER
    from orchestrator.execution.on_ray.tune_adapter import _slot

    slot = _slot(SimpleNamespace(dataset=None, trainable="a:B", store=None))  # type: ignore[arg-type]
    assert slot.__qualname__ == slot.__name__ == MARKER.decode()


def test_a_study_on_ray_trains_what_the_same_study_in_one_process_trains(
    space_file: Path, faces: Path, tmp_path: Path, ray_address: str
) -> None:
    on_ray = run(command(space_file, faces, tmp_path, "--study", "ray", "--address", ray_address, "--json"))
    assert on_ray.returncode == 0, on_ray.stderr
    check_phases([json.loads(line) for line in on_ray.stdout.splitlines()], ray_address)
    inline = run(command(space_file, faces, tmp_path, "--study", "inline", "--inline"))
    assert inline.returncode == 0, inline.stderr
    check_consistent(tmp_path / "ray", folds=3, max_t=4)
    assert len(Study(tmp_path / "ray").complete_trials()) >= 2
    one, other = curves(tmp_path / "ray"), curves(tmp_path / "inline")
    shared = [(key, epoch) for key in one for epoch in one[key] if epoch in other.get(key, {})]
    assert len(shared) > 20
    assert all(one[key][epoch] == other[key][epoch] for key, epoch in shared)


def check_phases(said: list[dict[str, Any]], address: str) -> None:
    """What the command waits for is told from its beginning, and of every worker when it has started."""
    steps = {event["step"]: event["ended"] for event in said if event["event"] == "step"}
    wanted = (f"joining the Ray at {address}", "importing the trainable and its libraries", "reading rows")
    assert [steps.get(name) for name in wanted] == [True] * 3
    started: set[tuple[int, int]] = set()
    for event in said:
        if event["event"] == "worker_ready":
            started.add((event["trial"], event["fold"]))
        assert event["event"] != "epoch_ended" or (event["trial"], event["fold"]) in started
    assert len(started) > 5


def test_a_fold_run_whose_process_dies_is_retried_from_its_last_epoch(
    space_file: Path, faces: Path, tmp_path: Path, ray_address: str
) -> None:
    settings = ["--trials", "4", "--set", "die_at=2", "--set", f"die_flag={tmp_path / 'died'}"]
    done = run(command(space_file, faces, tmp_path, "--study", "a", "--address", ray_address, *settings))
    assert done.returncode == 0, done.stderr
    [lost] = events(tmp_path / "a", "leg_failed")
    assert lost["failure"] == "killed" and lost["epoch"] == 1
    check_consistent(tmp_path / "a", folds=3, max_t=4)
    assert len(Study(tmp_path / "a").complete_trials()) >= 2


def test_code_that_raises_leaves_its_traceback_and_the_study_goes_on(
    tmp_path: Path, faces: Path, ray_address: str
) -> None:
    text = (Path(__file__).parents[2] / "conftest.py").read_text().split("'''")[1]
    space = tmp_path / "some_fail.py"
    space.write_text(text.replace("2.0)}", '2.0), "raise_at": choice([-1, 1, 2, 3])}'))
    done = run(command(space, faces, tmp_path, "--study", "a", "--address", ray_address))
    assert done.returncode == 0, done.stderr
    failures = events(tmp_path / "a", "leg_failed")
    assert failures and all("told to fail" in event["error"] for event in failures)
    assert all("pixel_trainable.py" in event["traceback"] for event in failures)


def test_a_process_whose_gpu_has_stopped_at_a_fault_trains_nothing_else(
    space_file: Path, faces: Path, tmp_path: Path, ray_address: str
) -> None:
    """CUDA can be used no more in it, so that whoever came next would fail for nothing of its own."""
    pids = tmp_path / "pids"
    settings = ["--set", "raise_at=1", "--set", "raise_words=CUDA error: device-side assert triggered"]
    settings += ["--set", f"pid_log={pids}", "--trials", "3"]
    done = run(command(space_file, faces, tmp_path, "--study", "a", "--address", ray_address, *settings))
    assert done.returncode == 1, done.stderr
    failures = events(tmp_path / "a", "leg_failed")
    assert [event["failure"] for event in failures] == ["exception"] * 3
    words = "RuntimeError: CUDA error: device-side assert triggered in epoch 1"
    assert all(event["error"] == words and "pixel_trainable.py" in event["traceback"] for event in failures)
    built = pids.read_text().split()
    assert len(built) == len(set(built)) == 3


def test_a_misspelt_parameter_is_refused_by_the_worker_that_knows_better(
    space_file: Path, faces: Path, tmp_path: Path, ray_address: str
) -> None:
    space_file.write_text(space_file.read_text().replace('"lr"', '"lrr"'))
    done = run(command(space_file, faces, tmp_path, "--study", "a", "--address", ray_address))
    assert done.returncode == 2
    assert "did you mean lr" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


def test_a_store_that_refuses_to_write_is_found_before_anything_runs(
    space_file: Path, faces: Path, tmp_path: Path, ray_address: str
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "checkpoints").write_text("a file where the folder belongs")
    done = run(command(space_file, faces, tmp_path, "--study", "a", "--address", ray_address))
    assert done.returncode == 2
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a" / "journal.jsonl").exists()
    (tmp_path / "a" / "checkpoints").unlink()
    smoke = ["--scale", "smoke", "--address", ray_address]
    again = run(command(space_file, faces, tmp_path, "--study", "a", *smoke))
    assert again.returncode == 0, again.stderr
    check_consistent(tmp_path / "a", folds=2, max_t=2)


def test_a_fold_run_too_large_for_its_share_of_a_gpu_is_retried_once_with_a_whole_one(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    """On a Ray that is told of a GPU; the trainable counts its share and never touches one."""
    arguments = command(
        space_file, faces, tmp_path, "--study", "a", "--scale", "smoke", "--gpus-per-fold-run", "0.5"
    )
    environment = {**os.environ, "RAY_OVERRIDE_RESOURCES": '{"GPU": 1, "CPU": 2}'}
    ended = subprocess.run(
        [*arguments, "--set", "gpu_from=2"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr + ended.stdout
    failures = [event for event in journal(tmp_path / "a") if event["event"] == "leg_failed"]
    assert failures and {event["failure"] for event in failures} == {"memory"}
    assert {(event["fold"], event["epoch"]) for event in failures} == {(0, 1)}
    assert len({event["trial"] for event in failures}) == len(failures)  # once each
    assert len(Study(tmp_path / "a").complete_trials()) >= 1
    check_consistent(tmp_path / "a", folds=2, max_t=2)
