"""A Ray whose private parts have changed: told before anything starts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.execution.on_ray import cluster, compat
from orchestrator.execution.on_ray.cluster_file import read_cluster_file
from orchestrator.execution.on_ray.compat import CLUSTER, STUDY, Private
from orchestrator.tune.__main__ import main

ROOM = Path(compat.__file__).parent
REFUSAL = (
    r"^Ray \S+ has no .*{}.*known to work is Ray 2\.55 to 2\.60: `python -m pip install .* on every server"
)


@pytest.mark.parametrize("part", [*STUDY, *CLUSTER], ids=lambda part: part.name)
def test_this_ray_has_every_private_part(part: Private) -> None:
    part.load()


@pytest.mark.parametrize(
    "part",
    [
        Private("ray._gone", "anything"),
        Private("ray.tune.execution.tune_controller", "TuneController._no_such_method"),
        Private("ray.tune.execution.tune_controller", "TuneController.__init__", ("_actor_cache", "_gone")),
    ],
    ids=["module", "name", "attribute"],
)
def test_a_part_that_is_gone_is_named_with_the_versions_that_have_it(part: Private) -> None:
    gone = part.sets[-1] if part.sets else part.name
    with pytest.raises(InputError, match=REFUSAL.format(gone)):
        compat.check_ray([*STUDY, part])


def test_a_study_on_such_a_ray_does_not_begin(
    space_file: Path,
    faces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ray.air.execution._internal.actor_manager import RayActorManager

    monkeypatch.delattr(RayActorManager, "_actor_task_failed")
    monkeypatch.setattr(cluster.ray, "init", lambda **options: pytest.fail("Ray was started"))
    arguments = ["--space", str(space_file), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "RayActorManager._actor_task_failed" in err and "Traceback" not in err
    assert len(err.strip().splitlines()) <= 2
    assert not (tmp_path / "a").exists()


def test_a_cluster_file_is_not_said_to_be_wrong_when_ray_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.autoscaler._private import util

    monkeypatch.delattr(util, "prepare_config")
    path = tmp_path / "cluster.yaml"
    path.write_text("provider: {type: local, head_ip: 10.0.0.1, worker_ips: []}\n")
    with pytest.raises(InputError, match=REFUSAL.format("prepare_config")):
        read_cluster_file(path)


AS_RAY_ENDS = """
import ctypes, signal, sys
import ray._raylet
from orchestrator.execution.on_ray import compat

signal.signal(signal.SIGTERM, lambda number, frame: None)
compiled, system = ctypes.CDLL(ray._raylet.__file__), ctypes.CDLL(None)
ctypes.c_bool.in_dll(compiled, compat.SIGNALS_TAKEN).value = True  # as in a program that has started Ray
if "kept" in sys.argv:
    compat.keep_signals()
compiled._ZN3ray6RayLog21UninstallSignalActionEv()
system.signal.argtypes, system.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
print("the system's" if system.signal(signal.SIGTERM, None) is None else "ours")
"""


@pytest.mark.parametrize("word, whose", [("", "the system's"), ("kept", "ours")])
def test_what_ray_does_to_signals_as_it_ends_it_leaves_undone_once_they_are_kept(
    word: str, whose: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_RAY_ENDS, word],
        cwd=ROOM.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == whose


def test_no_other_module_touches_a_private_part_of_ray() -> None:
    for path in ROOM.glob("*.py"):
        if path.name == "compat.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(item.name for item in node.names)]
                words = [word for name in names if name.startswith("ray") for word in name.split(".")]
                assert not [word for word in [*words] if word.startswith("_")], f"{path.name}:{node.lineno}"
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[:2] != "__":
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert owner == "self", f"{path.name}:{node.lineno} reads {node.attr} of another object"
