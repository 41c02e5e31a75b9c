"""What a disk, an editor or a sender makes of any file of a study changes no result without a word."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import OrchestratorError
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.mutations import any_bytes, examples
from tests.support.small_study import make_small_study

MADE_ANEW = ("trials.parquet", "epochs.parquet", "lock")
"""Nothing of this program reads them."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_study(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def whole(study: Path) -> dict[str, Any]:
    found = answers(study)
    assert not found["told"]
    return found


def read_files(study: Path) -> list[Path]:
    found = sorted(path for path in study.rglob("*") if path.is_file() and path.stat().st_size)
    return [path for path in found if path.name not in (*MADE_ANEW, "journal.jsonl")]


def mutated(study: Path, name: str, data: st.DataObject, files: list[Path] | None = None) -> Path:
    """A copy in which one file holds something else: other bytes, or another file of the study."""
    copy = study.with_name(name)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(study, copy)
    files = files or read_files(study)
    victim = data.draw(st.sampled_from(files))
    instead = data.draw(any_bytes(victim.read_bytes()) | st.sampled_from(files).map(Path.read_bytes))
    (copy / victim.relative_to(study)).write_bytes(instead)
    return copy


def answers(folder: Path) -> dict[str, Any]:
    """All that a study tells of its files, with what it says where it does not tell."""
    found, told = Study(folder), []
    board = found.leaderboard()
    told.append(found.confidence_set().reason)
    predictions: dict[int, Any] = {}
    for trial in found.complete_trials():
        try:
            predictions[trial.number] = found.oof(trial.number).frame()
        except OrchestratorError as error:
            told.append(str(error))
    try:
        scores = found.rescored("accuracy")
        told.append(scores.attrs["note"])
    except OrchestratorError as error:
        scores = None
        told.append(str(error))
    return {"board": board, "predictions": predictions, "scores": scores, "told": [*filter(None, told)]}


def same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    try:
        pd.testing.assert_frame_equal(first, second)
    except AssertionError:
        return False
    return True


def assert_ours(error: str) -> None:
    assert 20 < len(error) < 900 and len(error.splitlines()) <= 3, error


@examples(50)
@given(data=st.data())
def test_a_study_whose_file_is_another_tells_the_same_or_that_it_is(
    study: Path, whole: dict[str, Any], data: st.DataObject
) -> None:
    copy = mutated(study, "read", data)
    try:
        found = answers(copy)
    except OrchestratorError as error:
        assert_ours(str(error))
        return
    for line in found["told"]:
        assert_ours(line)
    for trial, frame in found["predictions"].items():
        assert same(frame, whole["predictions"][trial])
    is_same = same(found["board"], whole["board"]) and len(found["predictions"]) == len(whole["predictions"])
    if found["scores"] is not None and len(found["scores"]) == len(whole["scores"]):
        assert same(found["scores"], whole["scores"])
    else:
        is_same = False
    assert is_same or found["told"]


@examples(5)
@given(data=st.data())
def test_an_ensemble_of_such_a_study_is_the_same_or_none(
    study: Path, data: st.DataObject, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = mutated(study, "voted", data)
    out = copy / "votes"
    capsys.readouterr()
    ended = ensemble(["--study", str(copy), "--out", str(out), "--repeats", "20", "--seed", "0"])
    told = capsys.readouterr()
    if ended:
        assert ended in (1, 2), told.err
        assert_ours(told.err.partition("error: ")[2])  # after the lines of a progress bar
        return
    reference = study.with_name("reference")
    if not reference.exists():
        assert ensemble(["--study", str(study), "--out", str(reference), "--repeats", "20"]) == 0
    written = pd.read_parquet(out / "oof.parquet")
    assert same(written, pd.read_parquet(reference / "oof.parquet"))


def unfinished(study: Path) -> Path:
    """The study as its driver left it when it was killed in the middle."""
    copy = study.with_name("unfinished")
    if not copy.exists():
        shutil.copytree(study, copy)
        lines = (study / "journal.jsonl").read_bytes().splitlines(keepends=True)
        (copy / "journal.jsonl").write_bytes(b"".join(lines[: len(lines) * 2 // 3]))
    return copy


@examples(10)
@given(data=st.data())
def test_such_a_study_is_continued_to_its_own_scores_or_refused(
    study: Path, data: st.DataObject, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = mutated(unfinished(study), "continued", data)
    capsys.readouterr()
    ended = tune(["--resume", "--study", copy.name, "--runs", str(copy.parent), "--inline"])
    told = capsys.readouterr()
    if ended:
        assert ended in (1, 2) and "error: " in told.err, told.err
        return
    scores = {trial.number: trial.score for trial in Study(study).complete_trials()}
    again = {trial.number: trial.score for trial in Study(copy).complete_trials()}
    assert again.keys() == scores.keys() or "note: " in told.out + told.err
    assert all(np.isclose(again[trial], scores[trial]) for trial in again.keys() & scores.keys())
