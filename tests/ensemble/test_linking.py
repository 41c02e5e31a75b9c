"""Weights are the study's own files in another folder, not copies of them; each side may go."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from orchestrator.core.private_files import private_files
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.linking import link_or_copy
from orchestrator.study.study import Study
from tests.support.ensemble_command import build, images


def on_disk(folder: Path) -> int:
    """Bytes of the files' contents, those with several names once."""
    files = [path.stat() for path in folder.rglob("*.safetensors") if not path.is_symlink()]
    return sum({(item.st_dev, item.st_ino): item.st_size for item in files}.values())


def test_four_ensembles_of_a_study_take_no_more_room_for_weights_than_the_study(
    runs: Path, data: Path
) -> None:
    before = on_disk(runs / "both")
    folders = [
        build(runs, "--out", str(runs / "both" / f"e{at}")) and runs / "both" / f"e{at}" for at in range(4)
    ]
    assert on_disk(runs / "both") == before
    assert all(len(list((folder / "weights").iterdir())) == 6 for folder in folders)
    expected = Ensemble.load(folders[0]).predict(images(data)[:3])
    for folder in folders[:3]:
        shutil.rmtree(folder)
    assert Study(runs / "both").complete_trials() and build(runs), "the study has lost nothing"
    assert (Ensemble.load(folders[3]).predict(images(data)[:3]) == expected).all()


def test_what_the_store_writes_or_deletes_later_changes_no_folder(runs: Path, data: Path) -> None:
    folder = build(runs)
    expected = Ensemble.load(folder).predict(images(data)[:3])
    study = Study(runs / "both")
    store = study.store()
    for best in study.complete_trials()[0].bests:
        store.put(best.weights, b"something else")
    for best in study.complete_trials()[1].bests:
        store.delete(best.weights)
    assert (Ensemble.load(folder).predict(images(data)[:3]) == expected).all()


def test_a_copy_of_the_folder_stands_alone(runs: Path, data: Path, tmp_path: Path) -> None:
    folder = build(runs)
    expected = Ensemble.load(folder).predict(images(data)[:3])
    archive = shutil.make_archive(str(tmp_path / "packed"), "tar", folder)
    shutil.unpack_archive(archive, tmp_path / "other")
    shutil.rmtree(runs)
    assert (Ensemble.load(tmp_path / "other").predict(images(data)[:3]) == expected).all()


def test_another_disk_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    def refused(*given: object, **named: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    link_or_copy(tmp_path / "a", tmp_path / "b" / "c")
    assert (tmp_path / "b" / "c").read_bytes() == b"12345"
    assert (tmp_path / "b" / "c").stat().st_ino != (tmp_path / "a").stat().st_ino


def test_a_symbolic_link_in_a_store_becomes_a_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a")
    link_or_copy(tmp_path / "link", tmp_path / "folder" / "a")
    assert not (tmp_path / "folder" / "a").is_symlink()
    assert (tmp_path / "folder" / "a").read_bytes() == b"12345"


def test_a_private_folder_shares_no_file_that_others_may_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "a").chmod(0o644)
    with private_files(True):
        link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").stat().st_mode & 0o077 == 0 and (tmp_path / "b").read_bytes() == b"12345"


def test_damaged_weights_are_refused_and_leave_no_folder(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from orchestrator.ensemble.__main__ import main

    study = Study(runs / "both")
    store = study.store()
    best = study.complete_trials()[0].bests[0]
    data = bytearray(store.get(best.weights))
    data[-1] ^= 1
    store.put(best.weights, bytes(data))
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "out")]) == 2
    assert "is damaged" in capsys.readouterr().err
    assert sorted(path.name for path in runs.iterdir()) == ["both", "shade", "tint"]
