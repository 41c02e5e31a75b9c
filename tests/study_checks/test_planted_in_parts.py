"""Faults that no drawn study has, planted in the part of a study that a check looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.finding import Finding, Level
from orchestrator.snapshot import StudySnapshot, take_snapshot
from orchestrator.study.failures import FailedAhead
from orchestrator.study.study import Study
from orchestrator.study_checks import failures
from orchestrator.study_checks.checks import CHECKS
from orchestrator.study_checks.material import Answered, Material
from orchestrator.study_checks.unseen import UnseenError
from tests.support.drawn_study import draw_study


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> StudySnapshot:
    return take_snapshot(draw_study(tmp_path_factory.mktemp("parts") / "a", seed=6, probabilities=False))


def found_by(code: str, snapshot: StudySnapshot) -> Finding:
    (check,) = [item for item in CHECKS if item.code == code]
    (found,) = check.look(Material(snapshot, seed=0))
    return found


def plant(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    monkeypatch.setattr(Material, name, property(lambda material: value))


@pytest.mark.parametrize("code", ["FO016", "FO017", "FO018", "FO019", "FO020", "FO021", "FO022"])
def test_without_the_fault_all_is_fine(snapshot: StudySnapshot, code: str) -> None:
    assert found_by(code, snapshot).level is Level.OK


def test_a_class_that_a_fold_lacks_is_named_with_the_fold(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Material(snapshot, 0)
    labels = np.where((whole.labels == 2) & (whole.fold_plan.folds == 1), 0, whole.labels)
    plant(monkeypatch, "labels", labels)
    found = found_by("FO016", snapshot)
    assert found.level is Level.WARNING and "blue (fold 1)" in found.found
    assert set(labels[list(found.rows)]) == {2}


def test_a_trial_that_failed_while_ahead_is_named_with_how_to_run_it_again(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = [FailedAhead(trial=3, winner=0, folds=2, epochs=4, score=0.9, winners=0.8)]
    monkeypatch.setattr(failures, "failed_ahead", lambda *given: ahead)
    found = found_by("FO017", snapshot)
    assert found.level is Level.WARNING and found.trials == (3,)
    assert "0.9000 to 0.8000" in found.found and "--retry-failed 3" in found.way_out


def test_scores_that_fall_from_the_first_epoch_on_are_told(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = np.broadcast_to(np.linspace(0.9, 0.6, 4), (3, 3, 4))
    plant(monkeypatch, "curves", falling)
    found = found_by("FO018", snapshot)
    assert found.level is Level.WARNING and "9 of 9 fold runs" in found.found and len(found.trials) == 3


def test_many_epochs_that_were_run_and_not_kept_are_told(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_epochs_kept", lambda material: snapshot.spent // 2)
    assert found_by("FO019", snapshot).level is Level.WARNING
    monkeypatch.setattr(failures, "_epochs_kept", lambda material: snapshot.spent - 2)  # a leg now and then
    assert found_by("FO019", snapshot).level is Level.OK


def test_a_class_that_the_best_trial_never_names_is_told(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = Material.answered

    def without_blue(material: Material, trial: int) -> Answered:
        found = answered(material, trial)
        return replace(found, probabilities=found.probabilities * np.array([1, 1, 0], np.float32))

    monkeypatch.setattr(Material, "answered", without_blue)
    found = found_by("FO020", snapshot)
    assert found.level is Level.WARNING and "blue" in found.found and found.trials
    assert snapshot.manifest is not None
    assert set(snapshot.manifest.frame["label"].iloc[list(found.rows)]) == {"blue"}


def test_a_study_that_went_on_with_other_code_is_told(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Study, "sources", property(lambda study: {"trainables": ("a", "b")}))
    found = found_by("FO021", snapshot)
    assert found.level is Level.WARNING and "trainables (2 versions)" in found.found


def test_copies_are_known_by_their_bytes_and_none_are_where_images_are_gone(
    snapshot: StudySnapshot, tmp_path: Path
) -> None:
    assert snapshot.copies is None  # it has no images
    leak = take_snapshot(draw_study(tmp_path / "a", fault="leak", probabilities=False))
    known = leak.copies
    assert known is not None and len(np.unique(known.exact)) < len(known.exact)
    assert "bytes" in known.rule and not (tmp_path / ".cache").exists()  # looking leaves nothing behind


def test_a_leak_is_found_where_the_cache_cannot_be_written(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a", fault="leak", probabilities=False)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "contents").write_text("a file where a folder would be made")
    found = found_by("FO009", take_snapshot(path))
    assert found.level is Level.BLOCKS and "in another fold than a copy" in found.found


def test_copies_that_could_not_be_looked_for_are_not_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw_study(tmp_path / "a", fault="leak", probabilities=False)

    def refused(*_: object) -> None:
        raise PermissionError("clusters may not be read")

    monkeypatch.setattr("orchestrator.snapshot.copies.known_clusters", refused)
    with pytest.raises(UnseenError, match="clusters may not be read"):
        found_by("FO009", take_snapshot(path))
