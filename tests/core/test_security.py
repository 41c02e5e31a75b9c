"""Sentences of docs/explanation/security.md that no other room's tests hold."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load

from orchestrator.audit.__main__ import main as audit
from orchestrator.check.__main__ import main as check
from orchestrator.core.errors import TrainableError
from orchestrator.core.known_code import check_named_code
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.pseudo_labels.__main__ import main as pseudo_labels
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.core.test_known_code import NAMED, name_in, place
from tests.support.small_study import MADE, make_small_study


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study `a`, beside its data, in the folder where the user stands."""
    monkeypatch.chdir(tmp_path)
    return make_small_study(tmp_path)


def with_ensemble(study: Path) -> Path:
    assert ensemble(["--study", str(study), "--out", str(study / "ensemble")]) == 0
    return study / "ensemble"


def new_images(study: Path) -> Path:
    """A folder of images that nothing was trained on."""
    folder = study.parent / "new"
    folder.mkdir()
    for number, path in enumerate(sorted((study.parent / "data").rglob("*.png"))[:3]):
        (folder / f"n{number}.png").write_bytes(path.read_bytes() + b" ")
    return folder


def test_commands_that_use_no_ray_listen_on_nothing(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it listens")

    monkeypatch.setattr(socket.socket, "listen", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    data = ["--space", str(MADE / "tint.py"), "--data", str(study.parent / "data" / "rows.csv")]
    assert check(data) == 0
    assert tune([*data, "--inline", "--study", "b", "--runs", ".", "--trials", "2", "--max-epochs", "1"]) == 0
    assert audit(["--study", str(study), "--runs", "."]) == 0
    folder, new = with_ensemble(study), str(new_images(study))
    assert ensemble(["--ensemble", str(folder), "--predict", new]) == 0
    out = ["--out", "pseudo.parquet", "--threshold", "0.1"]
    assert pseudo_labels(["--ensemble", str(folder), "--predict", new, *out]) == 0


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_private_leaves_a_folder_that_was_there_as_it_was(tmp_path: Path, usual_umask: None) -> None:
    (tmp_path / "runs").mkdir(mode=0o755)
    shutil.copytree(MADE / "data", tmp_path / "data")
    words = ["--space", str(MADE / "tint.py"), "--data", str(tmp_path / "data" / "rows.csv"), "--inline"]
    small = ["--trials", "2", "--max-epochs", "1", "--study", "a", "--runs", str(tmp_path / "runs")]
    assert tune([*words, *small, "--private"]) == 0
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "runs" / "a").stat().st_mode) == 0o700


def test_the_journal_holds_what_was_typed(tmp_path: Path) -> None:
    shutil.copytree(MADE / "data", tmp_path / "data")
    data = tmp_path / "data" / "rows.csv"
    words = ["--space", str(MADE / "tint.py"), "--data", str(data), "--inline", "--runs", str(tmp_path)]
    values = ["--set", "epoch_seconds=0.00123", "--try", "lr=0.0234"]
    assert tune([*words, *values, "--trials", "2", "--max-epochs", "1", "--study", "a"]) == 0
    text = (tmp_path / "a" / "journal.jsonl").read_text()
    assert all(word in text for word in ("0.00123", "0.0234", str(data.parent), "tint"))


def test_every_file_of_a_study_and_an_ensemble_is_of_a_kind_that_runs_nothing(study: Path) -> None:
    with_ensemble(study)
    text = {".json", ".jsonl", ".md", ".txt", ""}  # "": the lock
    kinds = set()
    for path in (path for path in study.rglob("*") if path.is_file()):
        kinds.add(path.suffix)
        if path.suffix == ".parquet":
            pq.ParquetFile(path)
        elif path.suffix in (
            ".safetensors",
            ".pt",
        ):  # a state is whatever its trainable loads: here, the same
            assert all(isinstance(array, np.ndarray) for array in load(path.read_bytes()).values())
        elif path.name == "report.html":  # a page: its one script is the program's own
            assert path.read_text().count("<script") == 1
        else:
            assert path.suffix in text
            path.read_text()
    assert kinds >= {".parquet", ".safetensors", ".json", ".jsonl"}


def test_pseudo_labels_import_no_more_than_an_ensemble_does(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, new = with_ensemble(study), str(new_images(study))
    ran = place(study / "payload.py")
    monkeypatch.syspath_prepend(str(study.parent))
    name_in(folder / "ensemble.json", "a.payload:X")
    out = ["--out", "pseudo.parquet", "--threshold", "0.1"]
    for more in ([], ["--trust"]):
        assert pseudo_labels(["--ensemble", str(folder), "--predict", new, *out, *more]) == 2
        assert "code from there is not run" in capsys.readouterr().err
    assert not ran.exists() and NAMED not in (folder / "ensemble.json").read_text()


def test_what_a_program_imported_itself_is_known_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = place(tmp_path / "payload_of_a_program.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TrainableError, match="no command of yours has named before"):
        check_named_code("payload_of_a_program:X", tmp_path / "runs" / "a")
    monkeypatch.setitem(sys.modules, "payload_of_a_program", ModuleType("payload_of_a_program"))
    check_named_code("payload_of_a_program:X", tmp_path / "runs" / "a")
    assert not ran.exists()


def test_files_hold_names_as_they_are(tmp_path: Path) -> None:
    red = "\x1b[31mred"
    shutil.copytree(MADE / "data", tmp_path / "data")
    rows = (tmp_path / "data" / "rows.csv").read_text().replace(",red", f",{red}")
    (tmp_path / "data" / "rows.csv").write_text(rows)
    (tmp_path / "s.py").write_text((MADE / "tint.py").read_text().replace('"red"', repr(red)))
    words = ["--space", str(tmp_path / "s.py"), "--data", str(tmp_path / "data" / "rows.csv"), "--inline"]
    assert tune([*words, "--trials", "2", "--max-epochs", "1", "--study", "a", "--runs", str(tmp_path)]) == 0
    assert red in set(Study(tmp_path / "a").manifest().frame["tint"])
