"""A study as it stands: whole, without an ensemble, with files gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.core.errors import StudyError
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.snapshot import take_snapshot
from tests.support.small_study import make_small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_study(tmp_path_factory.mktemp("snapshot"))


def test_a_snapshot_says_what_the_study_says(study: Path) -> None:
    found = take_snapshot(study)
    assert found.name == "a" and found.state == "finished" and found.ensemble is None
    assert [item.number for item in found.complete] == list(found.leaderboard["trial"][: len(found.complete)])
    assert found.spent == len(found.curves) <= found.exhaustive_cost == 4 * 3 * 2
    assert {"COMPLETE"} <= set(found.decisions["action"])
    assert found.best is not None
    oof = found.oof(found.best.number)
    assert oof is not None and found.manifest is not None
    groups = found.groups_of(oof)
    assert groups is not None and len(groups) == len(oof.rows) and not found.notes


def test_what_is_gone_is_none_and_told_once(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a"
    shutil.copytree(study, copy)
    (copy / "manifest.parquet").unlink()
    found = take_snapshot(copy)
    assert found.manifest is None and found.manifest is None
    assert found.best is not None and found.oof(found.best.number) is None
    assert len(found.notes) == 1 and "manifest.parquet" in found.notes[0]


def test_a_damaged_ensemble_is_told_and_the_study_still_shown(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a"
    shutil.copytree(study, copy)
    (copy / "ensemble-1").mkdir()
    (copy / "ensemble-1" / "ensemble.json").write_text("{")
    found = take_snapshot(copy)
    assert found.ensemble is None and found.complete
    assert len(found.notes) == 1 and "ensemble.json" in found.notes[0]


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        take_snapshot(tmp_path)


def test_the_ensembles_rows_are_read_and_a_missing_table_is_told(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a"
    shutil.copytree(study, copy)
    assert ensemble(["--study", str(copy), "--runs", str(tmp_path), "--out", str(copy / "e")]) == 0
    found = take_snapshot(copy)
    assert found.ensemble_oof is not None and found.ensemble_oof.classes == found.space.target.classes
    (copy / "e" / "oof.parquet").unlink()
    again = take_snapshot(copy)
    assert again.ensemble is not None and again.ensemble_oof is None and "oof.parquet" in again.notes[0]
