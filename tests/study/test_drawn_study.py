"""Drawn studies, which other tests stand on: what was planted is there, and they are studies as real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study import Study
from tests.support.drawn_study import draw_study
from tests.support.drawn_world import BAD_FOLD


def test_it_is_the_same_for_a_seed_and_what_it_says_fits_together(tmp_path: Path) -> None:
    one, other = Study(draw_study(tmp_path / "a", seed=3)), Study(draw_study(tmp_path / "b", seed=3))
    assert one.events[1:] == other.events[1:] and one.state == "finished"
    assert Study(draw_study(tmp_path / "c", seed=4)).configs != one.configs
    trial = one.complete_trials()[0]
    oof = one.oof(trial.number)  # refused where it is not made of what the journal says was stored
    by_fold = [np.mean(oof.probabilities.argmax(axis=1)[oof.folds == k] == oof.labels[oof.folds == k])
               for k in range(3)]  # fmt: skip
    assert np.argsort(by_fold).tolist() == np.argsort([best.score for best in trial.bests]).tolist()
    again = one.rescored("macro_f1")
    assert len(again) == len(one.curves()) and np.allclose(again["score"], one.curves()["score"])


def test_planted_faults_are_there(tmp_path: Path) -> None:
    bad = Study(draw_study(tmp_path / "bad_fold", fault="bad_fold")).complete_trials()[0]
    assert min(bad.bests, key=lambda best: best.score).fold == BAD_FOLD
    edge = Study(draw_study(tmp_path / "edge", fault="edge")).complete_trials()[0]
    assert edge.config["lr"] > 0.09
    leak = Study(draw_study(tmp_path / "leak", fault="leak"))
    root, frame = leak.manifest().root, leak.manifest().frame
    same: dict[bytes, set[str]] = {}
    for path, group in zip(frame["path"], frame["group"], strict=True):
        same.setdefault((root / path).read_bytes(), set()).add(group)
    assert sum(len(groups) > 1 for groups in same.values()) == len(frame) // 4


@pytest.mark.parametrize(("state", "shown"), [("running", "open"), ("interrupted", "interrupted")])
def test_a_study_that_has_not_ended(tmp_path: Path, state: str, shown: str) -> None:
    found = Study(draw_study(tmp_path / state, state=state, most=5))
    assert found.state == shown and len(found.curves()) == 5 and not found.complete_trials()


def test_a_study_of_failures_alone(tmp_path: Path) -> None:
    found = Study(draw_study(tmp_path / "failed", state="failed"))
    assert not found.complete_trials() and set(found.leaderboard()["state"]) == {"FAIL"}


def test_an_ensemble_is_built_of_it_and_judged_on_untouched_rows(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a", images=True, test_rows=60)
    assert ensemble(["--study", str(path), "--runs", str(tmp_path)]) == 0
    assert list(path.glob("ensemble-*/untouched.parquet"))
