"""A search and its ensemble, seen by a tracker."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study.study import Study
from orchestrator.tracking import mirrored, mirrored_as_before
from orchestrator.tune.__main__ import main as tune

pytestmark = [pytest.mark.slow]


def test_a_tracker_follows_a_search_and_later_its_ensemble(
    space_file: Path,
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its process imports a library that takes long where others compute, and would be left after seconds.
    monkeypatch.setattr("orchestrator.tune.run.mirrored", partial(mirrored, timeout_s=120.0))
    again = partial(mirrored_as_before, timeout_s=120.0)
    monkeypatch.setattr("orchestrator.ensemble.command.mirrored_as_before", again)
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    words = ["--space", space_file, "--data", faces, "--study", "tint", "--runs", tmp_path, "--inline"]
    assert tune([*map(str, words), "--smoke", "--tensorboard"]) == 0
    assert "tracking:" not in capsys.readouterr().out, "all of it arrived in time"
    sent = json.loads((tmp_path / "tint" / "tracking.json").read_text())["sent"]
    assert ["report.html" in arrived for arrived in sent.values()] == [True], "it was written in time"
    folder = tmp_path / "tint" / "tensorboard"
    best = Study(tmp_path / "tint").complete_trials()[0]
    found = accumulator.EventAccumulator(str(folder / "study")).Reload()
    assert found.Scalars("best_score")[-1].value == pytest.approx(best.score)
    for fold, kept in enumerate(best.bests):
        run = accumulator.EventAccumulator(str(folder / f"t{best.number:04d}" / f"fold{fold}")).Reload()
        assert run.Scalars("best_macro_f1")[-1].value == pytest.approx(kept.score)
        assert [item.step for item in run.Scalars("macro_f1")] == [1, 2]
    assert ensemble(["--study", str(tmp_path / "tint")]) == 0
    (out,) = (path.parent.name for path in (tmp_path / "tint").glob("*/ensemble.json"))
    found = accumulator.EventAccumulator(str(folder / "study")).Reload()
    assert f"{out}/naive" in found.Tags()["scalars"]
