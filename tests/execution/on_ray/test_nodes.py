"""A study over several Ray nodes whose checkpoints lie on an S3 server."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from orchestrator.study.study import Study
from tests.support.helpers import check_consistent, events
from tests.support.nodes import nodes, tune
from tests.support.storage_locations import make_bucket, s3_server

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_study_on_two_nodes_keeps_its_checkpoints_on_an_s3_server(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    study, log = tmp_path / "a", tmp_path / "log"
    arguments = ["--space", str(space_file), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    with s3_server() as url, nodes() as ray:
        location = make_bucket(url, "kept")
        for _ in range(2):
            ray.add(cpus=1)
        with tune(*arguments, "--address", ray.address, "--storage", location, log=log) as process:
            assert process.wait(timeout=240) == 0, log.read_text()
        check_consistent(study, folds=3, max_t=4)
        assert not events(study, "leg_failed")
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        kept = {item["Key"] for item in client.list_objects_v2(Bucket="kept")["Contents"]}
        complete = Study(study).complete_trials()
        weights = {f"a/{best.weights}" for trial in complete for best in trial.bests}
        assert len(weights) == 3 * len(complete) >= 6 and weights <= kept
        assert not (study / "checkpoints").exists()
        left = {key for key in kept if "resume" in key}
        assert not left, "the race is over: nothing is to be continued"


def test_processes_are_kept_for_the_legs_to_come_on_every_node(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    """A cold one takes seconds; Tune by itself keeps one for all nodes together."""
    study, log, pids = tmp_path / "a", tmp_path / "log", tmp_path / "pids"
    arguments = ["--space", str(space_file), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    slow = ["--set", f"pid_log={pids}", "--set", "epoch_seconds=0.1"]
    with nodes() as ray:
        for _ in range(3):
            ray.add(cpus=1)
        with tune(*arguments, *slow, "--address", ray.address, log=log) as process:
            assert process.wait(timeout=240) == 0, log.read_text()
    built = pids.read_text().split()
    assert len(built) > 15 and len(set(built)) == 3
    assert len(Study(study).complete_trials()) >= 2
