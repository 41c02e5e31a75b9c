"""A Ray that cannot be started on this machine is told in a moment, with the way to go on."""

from __future__ import annotations

import gc
import os
import shutil
import time
from pathlib import Path

import pytest

from orchestrator.execution.on_ray import cluster
from orchestrator.tune.__main__ import main as tune
from tests.support.small_study import MADE

Output = pytest.CaptureFixture[str]


def broken(folder: Path, kind: str) -> str:
    """A program of Ray's, in some way that it may be when a disk or an update broke it."""
    path = folder / "gcs_server"
    if kind == "no program":
        path.write_bytes(os.urandom(500))
    elif kind == "ends by a signal":
        path.write_text("#!/bin/sh\nkill -SEGV $$\n")
    elif kind == "ends at once":
        path.write_text("#!/bin/sh\nexit 1\n")
    elif kind == "lacks a library":
        path.write_text("#!/bin/sh\necho 'libx.so: cannot open shared object file' >&2\nexit 127\n")
    elif kind == "no right to run it":
        path.write_text("#!/bin/sh\n")
    if path.exists():
        path.chmod(0o644 if kind == "no right to run it" else 0o755)
    return str(path)


KINDS = ["missing", "no program", "ends by a signal", "ends at once", "lacks a library", "no right to run it"]


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_program_of_rays_that_is_broken_is_named(
    kind: str, resumed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    program = broken(tmp_path, kind)
    monkeypatch.setattr("ray._private.services.GCS_SERVER_EXECUTABLE", program)
    monkeypatch.setattr(cluster.ray, "init", lambda **options: pytest.fail("Ray was started"))
    words = ["--space", str(MADE / "tint.py"), "--data", str(MADE / "data" / "rows.csv"), "--study", "a"]
    if resumed:
        shutil.copytree(MADE / "studies", tmp_path / "runs")
        words = ["--resume", "--study", "killed", "--data-root", str(MADE / "data")]
    began = time.monotonic()
    assert tune([*words, "--runs", str(tmp_path / "runs")]) == 2
    assert time.monotonic() - began < 100, "Ray itself would try for minutes"
    error = capsys.readouterr().err
    assert f"its program {program} cannot be run" in error and "install it anew" in error
    assert "--resume" in error and "--inline" in error and len(error.strip().splitlines()) == 2
    assert not (tmp_path / "runs" / "a").exists()


def test_what_ray_says_itself_is_shortened_and_told_with_the_way_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def fail(**options: object) -> None:
        raise RuntimeError("Failed to start GCS.\n  Last 0 lines of error files:\n" + "words " * 500)

    monkeypatch.setattr(cluster, "program_fault", lambda: "")
    monkeypatch.setattr(cluster.ray, "init", fail)
    words = ["--space", str(MADE / "tint.py"), "--data", str(MADE / "data" / "rows.csv"), "--study", "a"]
    assert tune([*words, "--runs", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert "Failed to start GCS. Last 0 lines" in error and "--resume" in error
    assert len(error) < 800 and len(error.strip().splitlines()) == 2
    assert not (tmp_path / "runs" / "a").exists()


@pytest.mark.parametrize(
    "visible, expected", [("", None), ("0,1", None), ("GPU-a,MIG-b", None), ("MIG-a", 1), ("MIG-a, MIG-b", 2)]
)
def test_each_slice_that_is_named_is_a_gpu_for_ray(visible: str, expected: int | None) -> None:
    assert cluster.slices_named(visible) == expected


def test_an_interrupt_while_ray_ends_leaves_nothing_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", True)
    monkeypatch.setattr(cluster.ray, "init", lambda **options: None)
    monkeypatch.setattr(cluster.ray, "shutdown", interrupt)
    with pytest.raises(KeyboardInterrupt), cluster.connect(None):
        assert not cluster.cluster_mode()
    assert cluster.cluster_mode()


def test_what_a_ray_of_our_own_starts_with_is_no_longer_there_when_it_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that goes on may start processes of its own: Lightning's `ddp_notebook` forks."""
    monkeypatch.delenv("PL_DISABLE_FORK", raising=False)
    started: list[str] = []
    monkeypatch.setattr(cluster.ray, "init", lambda **options: started.append(os.environ["PL_DISABLE_FORK"]))
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)
    with cluster.connect(None):
        assert started == ["1"] and "PL_DISABLE_FORK" not in os.environ


def test_what_a_search_forgot_of_its_ray_is_gone_before_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handle ends the actor that has its number, and each Ray numbers its own from the beginning."""
    monkeypatch.setattr(cluster.ray, "init", lambda **options: None)
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: gone.append("Ray"))
    gone: list[str] = []

    class Handle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            gone.append("handle")

    gc.disable()
    try:
        with cluster.connect(None):
            handle = Handle()
            del handle
        assert gone == ["Ray", "handle"]
    finally:
        gc.enable()
