"""Folders from somebody else, of eight kinds: nothing of them runs, nothing outside changes, each is told."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.file_digest import digest_of
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.pseudo_labels.__main__ import main as pseudo_labels
from orchestrator.study import Study
from orchestrator.tracking.__main__ import main as tracking
from orchestrator.tune.__main__ import main as tune
from tests.core.test_known_code import as_a_process_of_its_own, name_in, place
from tests.study.test_links import link
from tests.study.test_rows_and_folds import other_folds, other_labels
from tests.support.small_study import MADE

Output = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Received:
    """runs/ with a study that was killed and a complete one with its ensemble, and what lies around."""

    here: Path

    @property
    def killed(self) -> Path:
        return self.here / "runs" / "killed"

    @property
    def complete(self) -> Path:
        return self.here / "runs" / "complete"

    @property
    def ensemble(self) -> Path:
        return self.complete / "ensemble"

    @property
    def outside(self) -> Path:
        """Somebody's own files."""
        return self.here / "outside"

    @property
    def ran(self) -> Path:
        return self.here / "it_ran"

    def others(self) -> dict[str, tuple[bytes, int]]:
        """All that lies outside what was received."""
        files = [path for folder in ("outside", "data", "new") for path in (self.here / folder).rglob("*")]
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files if path.is_file()}


@pytest.fixture
def received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Received:
    found = Received(tmp_path / "here")
    shutil.copytree(MADE / "studies", found.here / "runs")
    shutil.copytree(MADE / "data", found.here / "data")
    for name in ("notes.txt", "film.12-ab.part", "t0000-f0/film.12-ab.part", "study.txt"):
        path = found.outside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    (found.here / "new").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        cv2.imwrite(str(found.here / "new" / f"{number}.png"), pixels)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(found.here)
    return found


# ---- eight kinds ----------------------------------------------------------------------------------


def code(it: Received) -> None:
    """Modules, what Python runs when it starts, and what it keeps of modules."""
    for folder in (it.killed, it.ensemble):
        ran = place(folder / "payload.py")
        for name in ("sitecustomize.py", "usercustomize.py", "conftest.py", "__init__.py", "tests.py"):
            (folder / name).write_text((folder / "payload.py").read_text())
        (folder / "payload.pth").write_text(f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n")
        cache = Path(importlib.util.cache_from_source(folder / "payload.py"))
        cache.parent.mkdir()
        (cache.parent / "payload.pyc").write_bytes(b"code")
        cache.write_bytes(b"code")
    name_in(it.killed / "journal.jsonl", "runs.killed.payload:X")
    name_in(it.ensemble / "ensemble.json", "runs.complete.ensemble.payload:X")


def links(it: Received) -> None:
    link(it.killed / "checkpoints", it.outside)
    link(next((it.ensemble / "weights").iterdir()), it.here / "new")


def traversal(it: Received) -> None:
    shutil.copy(next((it.ensemble / "weights").iterdir()), it.outside / "w.safetensors")
    change_record(it, lambda record: first_model(record).update(weights="../../../outside/w.safetensors"))
    change_header(it.killed, name="../outside", storage=str(it.here / "runs"))


def pickles(it: Received) -> None:
    data = pickle.dumps(_Runs(it.ran))
    record = json.loads((it.ensemble / "ensemble.json").read_text())
    (it.ensemble / first_model(record)["weights"]).write_bytes(data)
    change_record(it, lambda record: first_model(record).update(size=len(data), sha256=digest_of(data)))
    for study in (it.killed, it.complete):
        for path in [*study.glob("*.parquet"), *study.rglob("oof/*"), *study.rglob("checkpoints/*/*")]:
            path.write_bytes(data)


class _Runs:
    def __init__(self, ran: Path) -> None:
        self._ran = str(ran)

    def __reduce__(self) -> Any:
        return os.mkdir, (self._ran,)


def numbers(it: Received) -> None:
    change_record(it, lambda record: first_model(record).update(size=10**30, fold=10**9))
    space = json.loads((it.killed / "journal.jsonl").read_text().partition("\n")[0])["header"]["space"]
    change_header(it.killed, space={**space, "folds": 10**9, "trials": 10**12, "max_t": 10**30})


def fifos(it: Received) -> None:
    for path in (it.killed / "manifest.parquet", next((it.ensemble / "weights").iterdir())):
        path.unlink()
        os.mkfifo(path)


def other_plan(it: Received) -> None:
    other_folds(it.killed)
    other_folds(it.complete)


def labels(it: Received) -> None:
    other_labels(it.killed)
    other_labels(it.complete)


def change_record(it: Received, change: Callable[[dict[str, Any]], Any]) -> None:
    path = it.ensemble / "ensemble.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def first_model(record: Mapping[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = record["parts"][0]["members"][0]["models"][0]
    return model


def change_header(study: Path, **fields: Any) -> None:
    first, _, rest = (study / "journal.jsonl").read_text().partition("\n")
    opened = json.loads(first)
    opened["header"] |= fields
    (study / "journal.jsonl").write_text(json.dumps(opened) + "\n" + rest)


# ---- all that a user may do with them -------------------------------------------------------------


def run(it: Received, name: str, output: Output) -> tuple[int, str]:
    """Exit code and the error it prints, without the lines of progress bars."""
    output.readouterr()
    with as_a_process_of_its_own(it.here):
        ended = COMMANDS[name](it)
    written = output.readouterr().err
    return ended, written[written.find("error: ") :] if "error: " in written else ""


def in_python(use: Callable[[Received], Any]) -> Callable[[Received], int]:
    def used(it: Received) -> int:
        try:
            use(it)
        except OrchestratorError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0

    return used


COMMANDS: dict[str, Callable[[Received], int]] = {
    "resume": lambda it: tune(["--resume", "--study", "killed", "--inline", "--data-root", "data"]),
    "resume, trusted": lambda it: tune(
        ["--resume", "--study", "killed", "--inline", "--data-root", "data", "--trust"]
    ),
    "vote": lambda it: ensemble(["--study", "complete", "--out", "made", "--repeats", "20"]),
    "predict": lambda it: ensemble(["--ensemble", "runs/complete/ensemble", "--predict", "new"]),
    "pseudo_labels": lambda it: pseudo_labels(
        ["--ensemble", "runs/complete/ensemble", "--predict", "new", "--threshold", "0.1",
         "--out", "labels.parquet"]
    ),
    "tracking": lambda it: tracking(["killed", "--mode", "offline"]),
    "leaderboards": in_python(
        lambda it: [Study(study).leaderboard() for study in (it.complete, it.killed)]
    ),
    "predictions": in_python(lambda it: [Study(it.complete).oof(trial) for trial in (1, 2)]),
    "Ensemble": in_python(
        lambda it: Ensemble.load(it.ensemble).predict([str(path) for path in (it.here / "new").iterdir()])
    ),
}  # fmt: skip
PREDICTING = ("predict", "pseudo_labels", "Ensemble")
RESUMING = ("resume", "resume, trusted")
REFUSED: dict[Callable[[Received], None], dict[tuple[str, ...], str]] = {
    code: {(*RESUMING, *PREDICTING): "code from there is not run"},
    links: {("resume", "tracking", *PREDICTING): "leads out of the"},
    traversal: {RESUMING: "is no name of a folder", PREDICTING: "lies outside the folder"},
    pickles: {
        RESUMING: "cannot be read as Parquet",
        ("vote", "predictions"): "cannot be read",
        PREDICTING: "cannot be made of these weights",
    },
    numbers: {(*RESUMING, "leaderboards"): "", PREDICTING: "bytes long"},
    fifos: {(*RESUMING, "tracking", "leaderboards", *PREDICTING): "is a FIFO, not a file"},
    other_plan: {(*RESUMING, "vote", "predictions"): "are not those that the study began with"},
    labels: {(*RESUMING, "vote", "predictions"): "are not those that the study began with"},
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_a_received_folder_is_told_and_does_nothing(
    received: Received, kind: Callable[[Received], None], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tracking.destinations.Extra.is_missing", True)
    kind(received)
    others = received.others()
    expected = {name: words for names, words in REFUSED[kind].items() for name in names}
    for name in COMMANDS:
        ended, error = run(received, name, capsys)
        assert not list(received.here.rglob("*.ran")) and not received.ran.exists(), name
        if (kind, name) == (links, "resume, trusted"):
            others = received.others()  # who says so has them followed
        assert received.others() == others, name
        assert len(error.strip().splitlines()) <= 4, (name, error)
        if name in expected:
            assert ended == 2 and expected[name] in error, (name, ended, error)


def test_as_they_were_sent_they_do_all_of_it(received: Received, capsys: Output) -> None:
    for name in [name for name in COMMANDS if name != "tracking"]:
        assert run(received, name, capsys) == (0, ""), name
