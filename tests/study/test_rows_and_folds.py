"""A study is read and continued with the rows and folds that it began with, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.errors import StudyError
from orchestrator.data.folds import FoldPlan, _content
from orchestrator.data.manifest import Manifest
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study import Study
from orchestrator.study.predictions import read_prediction, write_prediction
from orchestrator.tune.__main__ import main as tune
from tests.support.journals import unsealed
from tests.support.small_study import make_small_study

Change = Callable[[Path], None]
Output = pytest.CaptureFixture[str]
MADE = Path(__file__).with_name("made_by_0_1")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(MADE / "data", tmp_path / "data")
    return shutil.copytree(MADE / "studies", tmp_path / "runs")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"
    }


def other_folds(study: Path) -> None:
    """Valid folds of the same rows: every group is validated in the fold after its own."""
    plan = FoldPlan.read(study / "folds.parquet")
    folds = np.where(plan.folds >= 0, (plan.folds + 1) % plan.k, plan.folds).astype(np.int16)
    fingerprint = _content(plan.manifest_fingerprint, plan.k, folds)
    replace(plan, folds=folds, fingerprint=fingerprint).write(study / "folds.parquet")


def other_labels(study: Path) -> None:
    """The same images, one of which has another label, with the fingerprint of these rows."""
    rows = Manifest.read(study / "manifest.parquet")
    frame = rows.frame.copy()
    frame.loc[0, "tint"] = "blue" if frame.loc[0, "tint"] == "red" else "red"
    replace(rows, frame=frame).write(study / "manifest.parquet")


def resume(study: Path) -> int:
    data = study.parent.parent / "data"
    words = ["--resume", "--study", study.name, "--runs", str(study.parent), "--inline"]
    return tune([*words, "--data-root", str(data)])


@pytest.mark.parametrize(
    "change, what",
    [(other_folds, r"folds\.parquet: its folds"), (other_labels, r"manifest\.parquet: its rows")],
)
class TestOthersThanTheStudyBeganWith:
    def test_are_not_resumed(self, runs: Path, change: Change, what: str, capsys: Output) -> None:
        change(runs / "killed")
        (runs / "killed" / "checkpoints" / "half.part").write_bytes(b"")
        before = contents(runs / "killed")
        assert resume(runs / "killed") == 2
        error = capsys.readouterr().err
        assert len(error.strip().splitlines()) <= 2 and "restore the file from a copy" in error
        assert contents(runs / "killed") == before

    def test_are_not_voted_over(self, runs: Path, change: Change, what: str, capsys: Output) -> None:
        change(runs / "complete")
        before = contents(runs)
        assert ensemble(["--study", str(runs / "complete"), "--out", str(runs / "out")]) == 2
        assert "the study began with" in capsys.readouterr().err
        assert contents(runs) == before

    def test_are_not_read(self, runs: Path, change: Change, what: str) -> None:
        change(runs / "complete")
        with pytest.raises(StudyError, match=f"{what} .* are not those that the study began with"):
            Study(runs / "complete").compare(shutil.copytree(runs / "complete", runs / "copy"))


def test_predictions_of_other_folds_are_not_given_out(runs: Path) -> None:
    study = Study(runs / "complete")
    best = study.complete_trials()[0].number
    found, classes = read_prediction(study.files.oof(best))
    wrong = replace(found, folds=((found.folds + 1) % 3).astype(np.int16))
    write_prediction(study.files.oof(best), wrong, list(study.manifest().frame["path"]), classes)
    with pytest.raises(StudyError, match=r"its folds are not the study's; delete it, then .*--resume"):
        study.oof(best)
    study.files.oof(best).unlink()
    assert resume(runs / "complete") == 0
    assert np.array_equal(study.oof(best).probabilities, found.probabilities)


def test_other_labels_with_all_that_vouches_for_them_leave_other_scores(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Manifest, fingerprints, fold plan and header: whoever sent the study made all of them fit."""
    study = make_small_study(tmp_path)
    words = ["--study", str(study), "--repeats", "20", "--out"]
    assert ensemble([*words, str(tmp_path / "honest")]) == 0
    assert "scored otherwise" not in caplog.text
    rows, plan = Manifest.read(study / "manifest.parquet"), FoldPlan.read(study / "folds.parquet")
    frame = rows.frame.copy()
    frame.loc[:4, "tint"] = ["blue" if tint == "red" else "red" for tint in frame.loc[:4, "tint"]]
    other = replace(rows, frame=frame)
    made = _content(other.fingerprint, plan.k, plan.folds)
    other.write(study / "manifest.parquet")
    replace(plan, fingerprint=made, manifest_fingerprint=other.fingerprint).write(study / "folds.parquet")
    journal = unsealed((study / "journal.jsonl").read_text())
    journal = journal.replace(rows.fingerprint, other.fingerprint).replace(plan.fingerprint, made)
    (study / "journal.jsonl").write_text(journal)
    assert ensemble([*words, str(tmp_path / "forged")]) == 0
    assert "scored otherwise when they were trained: macro_f1 of trial" in caplog.text
    trial = Study(study).complete_trials()[0].number
    with pytest.raises(StudyError, match="its labels are not the study's"):
        Study(study).oof(trial)


def test_predictions_of_another_trial_are_not_given_out(tmp_path: Path) -> None:
    study = make_small_study(tmp_path)
    first, second = (trial.number for trial in Study(study).complete_trials()[:2])
    shutil.copy(study / "oof" / f"t{first:04d}.parquet", study / "oof" / f"t{second:04d}.parquet")
    assert len(Study(study).oof(first).rows)
    with pytest.raises(StudyError, match=r"it is damaged; delete it, then .*--resume.* writes it anew"):
        Study(study).oof(second)
    (study / "oof" / f"t{second:04d}.parquet").unlink()
    assert tune(["--resume", "--study", "a", "--runs", str(tmp_path), "--inline"]) == 0
    assert len(Study(study).oof(second).rows)


def no_plan_named(study: Path) -> None:
    journal = study / "journal.jsonl"
    fingerprint = FoldPlan.read(study / "folds.parquet").fingerprint
    journal.write_text(journal.read_text().replace(fingerprint, ""))


@pytest.mark.parametrize("how", ["fewer rows", "other rows", "more folds"])
def test_folds_that_a_header_does_not_name_are_still_of_its_rows_and_number(runs: Path, how: str) -> None:
    """Whoever takes the fold plan's fingerprint out of the header brings in no other plan."""
    study = runs / "complete"
    no_plan_named(study)
    assert Study(study).fold_plan().k == 3
    plan = FoldPlan.read(study / "folds.parquet")
    folds = plan.folds[:-3] if how == "fewer rows" else plan.folds
    rows = plan.manifest_fingerprint if how == "more folds" else "0" * 64
    k = 4 if how == "more folds" else plan.k
    made = replace(plan, folds=folds, k=k, manifest_fingerprint=rows, fingerprint=_content(rows, k, folds))
    made.write(study / "folds.parquet")
    for read in (lambda: Study(study).fold_plan(), lambda: Study(study).oof(1)):
        with pytest.raises(StudyError, match="folds of other rows, or another number of folds"):
            read()
    assert ensemble(["--study", str(study), "--out", str(runs / "e")]) == 2
