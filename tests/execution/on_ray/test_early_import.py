"""Processes of Ray that import the trainable as they start: which do, and what a bad import costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.execution.on_ray import early_import
from orchestrator.execution.on_ray.early_import import EACH_BYTES, TOLD, importing_early, is_worth_it
from orchestrator.execution.on_ray.slots import ResourceRequest
from tests.support.helpers import check_consistent, refusal_lines
from tests.support.tune_command import ROOT, command

MODEL = """
import os, traceback
from pathlib import Path
from tests.pixel_trainable import PixelTrainable

if any("imported_early" in frame.filename for frame in traceback.extract_stack()):
    with (Path(__file__).parent / "early").open("a") as log:
        log.write(f"{os.getpid()}\\n")
AT_IMPORT

class Early(PixelTrainable):
    pass
"""
SPACE = """
from orchestrator.space import SearchSpace, categorical, uniform

space = SearchSpace(
    trainable="early_model:Early", target=categorical("tint", ["red", "blue"]),
    params={"lr": uniform(0.1, 2.0), "pid_log": PID_LOG}, folds=3, trials=4, max_t=3, finalists=2,
)
"""
CPUS = os.cpu_count() or 1
WHATEVER_THE_ROOM = """
import sys
from orchestrator.execution.on_ray import early_import
from orchestrator.tune.__main__ import main
early_import.EACH_BYTES, early_import.shutil.which = 0, lambda name: None
sys.exit(main(sys.argv[1:]))
"""


def a_space(folder: Path, at_import: str = "") -> Path:
    """With a trainable of its own beside it, which notes the processes that import it as they start."""
    folder.mkdir()
    (folder / "early_model.py").write_text(MODEL.replace("AT_IMPORT", at_import))
    path = folder / "space.py"
    path.write_text(SPACE.replace("PID_LOG", repr(str(folder / "trained"))))
    return path


def numbers(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize(
    "request_, has_gpus, room, worth",
    [
        (ResourceRequest(), False, None, True),
        (ResourceRequest(cpus=1, gpus=0), False, 4 * EACH_BYTES, True),
        (ResourceRequest(), False, 4 * EACH_BYTES - 1, False),
        (ResourceRequest(cpus=2), False, None, False),  # half of the processes would import it for nobody
        (ResourceRequest(), True, None, False),
        (ResourceRequest(gpus=0.5), False, None, False),
        (ResourceRequest(by_type={"T4": 1.0}), False, None, False),
    ],
)
def test_it_is_worth_it_where_each_process_will_run_fold_runs(
    request_: ResourceRequest, has_gpus: bool, room: int | None, worth: bool
) -> None:
    assert is_worth_it(request_, has_gpus, 4, room) is worth


@pytest.mark.parametrize("given", [None, "my_module"])
def test_only_the_ray_that_starts_meanwhile_is_told(
    given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv("RAY_preload_python_modules", given)
    monkeypatch.setattr(early_import.shutil, "which", lambda name: None)
    monkeypatch.setattr(early_import, "EACH_BYTES", 0)
    before = dict(os.environ)
    with importing_early("a:B", ResourceRequest(), tmp_path):
        assert json.loads(os.environ[TOLD])[0] == "a:B"
    assert dict(os.environ) == before


def end_of_one_told(origin: Path, counter: Path) -> int:
    """How a process ends that starts in the folder above that of `a_space`, told that the trainable is in
    `origin`: with 7 where it imports one that ends it."""
    told = json.dumps(["early_model:Early", str(origin.resolve()), str(counter), 2])
    path = os.pathsep.join([str(ROOT), str(origin.parent.parent / "mine")])
    program = [sys.executable, "-c", f"import {early_import.WORKER_MODULE}"]
    environment = {**os.environ, TOLD: told, "PYTHONPATH": path}
    return subprocess.run(program, env=environment, cwd=origin.parent.parent).returncode


def test_so_many_processes_try_it_and_no_more(tmp_path: Path) -> None:
    """One that the import ends is replaced by one that would end as well."""
    a_space(tmp_path / "mine", "os._exit(7)")
    given = tmp_path / "mine" / "early_model.py", tmp_path / "counter"
    assert [end_of_one_told(*given) for _ in range(3)] == [7, 7, 0]
    assert len(numbers(tmp_path / "mine" / "early")) == 2


def test_one_that_cannot_be_counted_does_not_try_it(tmp_path: Path) -> None:
    a_space(tmp_path / "mine", "os._exit(7)")
    assert end_of_one_told(tmp_path / "mine" / "early_model.py", tmp_path / "gone" / "counter") == 0


def test_a_namesake_of_the_trainables_module_is_not_imported(tmp_path: Path) -> None:
    """Ray puts the folder of the driver's script first, but only for a task."""
    a_space(tmp_path / "mine", "os._exit(7)")
    assert end_of_one_told(tmp_path / "beside_the_script" / "early_model.py", tmp_path / "counter") == 0


@pytest.mark.ray
@pytest.mark.skipif(CPUS == 1, reason="the one process is asked for the trainable's parameters")
def test_first_legs_run_where_the_trainable_was_imported_as_ray_started(faces: Path, tmp_path: Path) -> None:
    """Ray gives no actor a process that has run a task, so it is not the one that was asked before."""
    space = a_space(tmp_path / "mine")
    more = ["--cpus-per-fold-run", "1", "--study", "a", "--no-report"]
    arguments = [sys.executable, "-c", WHATEVER_THE_ROOM, *command(space, faces, tmp_path, *more)[3:]]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with_ray = numbers(space.parent / "early")[:CPUS]
    assert set(numbers(space.parent / "trained")) & set(with_ray)
    check_consistent(tmp_path / "a", folds=3, max_t=3)


@pytest.mark.ray
def test_an_import_that_ends_its_process_ends_the_command_too(faces: Path, tmp_path: Path) -> None:
    space = a_space(tmp_path / "mine", "os._exit(7)")
    done = subprocess.run(
        command(space, faces, tmp_path, "--study", "a"), cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 2
    assert "trainable='early_model:Early'" in done.stderr and len(refusal_lines(done.stderr)) == 1
    assert not (tmp_path / "a").exists()
