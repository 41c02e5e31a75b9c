"""A whole study in this process: what it leaves on disk, what it does with trouble, how it goes on."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core import metrics
from orchestrator.core.errors import StorageError
from orchestrator.execution import worker
from orchestrator.race import VERSION, FinishingRace, RaceConfig, make_race
from orchestrator.storage import DirectoryStore
from orchestrator.study import study as study_module
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.support.helpers import check_consistent, check_kept, checkpoints, curves, events, journal
from tests.support.journals import unsealed


def tune(space: Path, data: Path, runs: Path, *more: str) -> int:
    return main(
        ["--space", str(space), "--data", str(data), "--runs", str(runs), "--inline", "--no-report", *more]
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_a_study_ends_with_finalists_that_own_all_folds(space_file: Path, faces: Path, runs: Path) -> None:
    assert tune(space_file, faces, runs, "--study", "a") == 0
    folder = runs / "a"
    study = Study(folder)
    complete = study.complete_trials()
    assert len(complete) == 2
    assert [trial.score for trial in complete] == sorted((trial.score for trial in complete), reverse=True)
    check_consistent(folder, folds=3, max_t=4)
    assert journal(folder)[-1]["event"] == "closed"
    assert (folder / "trials.parquet").exists() and (folder / "epochs.parquet").exists()


def test_out_of_fold_rows_cover_the_manifest_once_and_score_as_the_journal_says(
    space_file: Path, faces: Path, runs: Path
) -> None:
    tune(space_file, faces, runs, "--study", "a")
    study = Study(runs / "a")
    plan = study.fold_plan()
    for trial in study.complete_trials():
        prediction, classes = read_prediction(study.files.oof(trial.number))
        assert classes == ("red", "blue")
        assert prediction.rows.tolist() == list(range(60))
        assert (prediction.folds == plan.folds).all()
        for best in trial.bests:
            mine = prediction.folds == best.fold
            found = metrics.score("macro_f1", prediction.labels[mine], prediction.probabilities[mine])
            assert found == pytest.approx(best.score, abs=1e-6)


def test_the_last_lines_say_which_trials_may_be_the_best(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(space_file, faces, runs, "--study", "a")
    said = capsys.readouterr().out
    found = Study(runs / "a").confidence_set()
    assert f"\n90% confidence set of the best: {found}\nstudy: " in said
    assert found.trials and found.considered == 2


def test_only_the_best_checkpoints_of_complete_trials_stay(space_file: Path, faces: Path, runs: Path) -> None:
    tune(space_file, faces, runs, "--study", "a")
    study = Study(runs / "a")
    kept = {
        name for trial in study.complete_trials() for best in trial.bests for name in (best.weights, best.oof)
    }
    assert checkpoints(study) == kept


def test_the_same_seed_gives_the_same_study_and_another_seed_another(
    space_file: Path, faces: Path, runs: Path
) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        tune(space_file, faces, runs, "--study", name, "--seed", seed)
    assert curves(runs / "a") == curves(runs / "b")
    assert curves(runs / "a") != curves(runs / "c")


def test_what_a_study_keeps_is_the_epoch_its_header_says(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tune.new_study.DEFAULT", "refine")
    assert tune(space_file, faces, runs, "--study", "a") == 0
    study = Study(runs / "a")
    losses = study.curves().set_index(["trial", "fold"])["refined_log_loss"]
    bests = {(trial.number, best.fold): best for trial in study.complete_trials() for best in trial.bests}
    assert {key: best.epoch for key, best in bests.items()} == {
        key: int(losses.loc[key].to_numpy().argmin()) + 1 for key in bests
    }
    assert checkpoints(study) == {name for best in bests.values() for name in (best.weights, best.oof)}
    assert (losses > 0).all() and journal(runs / "a")[0]["header"]["epoch_choice"] == "refine"
    board = study.leaderboard().set_index("trial")["score"]
    assert all(trial.score == pytest.approx(board[trial.number]) for trial in study.complete_trials())


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 4, 9, 15, 22])
def test_a_driver_that_dies_anywhere_is_continued_bit_for_bit(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    tune(space_file, faces, runs, "--study", "whole")
    calls = {"left": after}
    original = worker.FoldRunWorker.step

    def step(self: worker.FoldRunWorker) -> Any:
        outcome = original(self)
        calls["left"] -= 1
        if calls["left"] == 0:
            raise StoppedError  # the epoch is stored, the driver never hears of it
        return outcome

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    with pytest.raises(StoppedError):
        tune(space_file, faces, runs, "--study", "cut")
    monkeypatch.undo()
    assert main(["--resume", "--study", "cut", "--runs", str(runs), "--inline", "--no-report"]) == 0
    assert curves(runs / "cut") == curves(runs / "whole")
    check_consistent(runs / "cut", folds=3, max_t=4)
    whole, cut = Study(runs / "whole"), Study(runs / "cut")
    assert cut.complete_trials() == whole.complete_trials()
    for trial in whole.complete_trials():
        expected, _ = read_prediction(whole.files.oof(trial.number))
        found, _ = read_prediction(cut.files.oof(trial.number))
        assert np.array_equal(expected.probabilities, found.probabilities)
    assert cut.store().names() == whole.store().names()


def test_a_resume_state_that_is_gone_costs_its_epochs_and_no_trial(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune(space_file, faces, runs, "--study", "whole")
    original, calls = worker.FoldRunWorker.step, {"left": 12}

    def step(self: worker.FoldRunWorker) -> Any:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise StoppedError
        return original(self)

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    with pytest.raises(StoppedError):
        tune(space_file, faces, runs, "--study", "cut")
    monkeypatch.undo()
    gone = list((runs / "cut" / "checkpoints").rglob("resume-*"))
    assert gone
    for path in gone:
        path.unlink()
    assert main(["--resume", "--study", "cut", "--runs", str(runs), "--inline", "--no-report"]) == 0
    assert any("missing from the store" in event["error"] for event in events(runs / "cut", "leg_failed"))
    assert Study(runs / "cut").complete_trials() == Study(runs / "whole").complete_trials()
    assert curves(runs / "cut") == curves(runs / "whole")
    check_kept(runs / "cut")


def test_a_finished_study_can_be_extended(space_file: Path, faces: Path, runs: Path) -> None:
    tune(space_file, faces, runs, "--study", "a")
    before = journal(runs / "a")
    assert (
        main(["--resume", "--study", "a", "--runs", str(runs), "--inline", "--no-report", "--trials", "15"])
        == 0
    )
    after = journal(runs / "a")
    assert after[: len(before)] == before
    assert len(Study(runs / "a").configs) == 15
    assert len(Study(runs / "a").complete_trials()) > 2
    check_consistent(runs / "a", folds=3, max_t=4)


def test_resuming_a_finished_study_changes_nothing_but_the_journals_end(
    space_file: Path, faces: Path, runs: Path
) -> None:
    tune(space_file, faces, runs, "--study", "a")
    before = Study(runs / "a").complete_trials()
    assert main(["--resume", "--runs", str(runs), "--inline", "--no-report"]) == 0
    assert Study(runs / "a").complete_trials() == before


def test_a_study_of_another_version_of_the_race_is_not_continued(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(space_file, faces, runs, "--study", "a")
    path = runs / "a" / "journal.jsonl"
    first, rest = unsealed(path.read_text()).split("\n", 1)
    opened = json.loads(first)
    assert opened["header"].pop("rule_version") == VERSION
    path.write_text(f"{json.dumps(opened)}\n{rest}")
    before = path.read_text()
    capsys.readouterr()
    assert main(["--resume", "--study", "a", "--runs", str(runs), "--inline", "--no-report"]) == 2
    assert "begun by an earlier version of the race (version 1" in capsys.readouterr().err
    assert path.read_text() == before and len(Study(runs / "a").complete_trials()) == 2


def test_a_study_that_version_3_of_the_race_began_goes_on_by_its_decisions(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def noted(rule: str, cfg: RaceConfig) -> FinishingRace:
        made.append(cfg.rule_version)
        return make_race(rule, cfg)

    monkeypatch.setattr("orchestrator.tune.run.make_race", noted)
    with monkeypatch.context() as then:
        then.setattr("orchestrator.tune.new_study.VERSION", 3)
        tune(space_file, faces, runs, "--study", "a")
    assert (
        main(["--resume", "--study", "a", "--trials", "12", "--runs", str(runs), "--inline", "--no-report"])
        == 0
    )
    assert set(made) == {3} and Study(runs / "a").header.rule_version == 3


@pytest.mark.parametrize(("setting", "kind"), [("raise_at=2", "exception"), ("nan_at=2", "nan")])
def test_a_study_in_which_every_trial_fails_says_so_and_keeps_the_reasons(
    space_file: Path, faces: Path, runs: Path, setting: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, runs, "--study", "a", "--set", setting) == 1
    failures = events(runs / "a", "leg_failed")
    assert {event["failure"] for event in failures} == {kind}
    assert all("pixel_trainable.py" in event["traceback"] for event in failures)
    assert "without a complete trial" in capsys.readouterr().err


def test_a_trial_that_fails_does_not_stop_the_others(tmp_path: Path, faces: Path, runs: Path) -> None:
    text = (Path(__file__).parents[1] / "conftest.py").read_text().split("'''")[1]
    space = tmp_path / "some_fail.py"
    space.write_text(text.replace("2.0)}", '2.0), "raise_at": choice([-1, 1, 2, 3])}'))
    assert tune(space, faces, runs, "--study", "a") == 0
    study = Study(runs / "a")
    assert events(runs / "a", "leg_failed")
    assert all(trial.config["raise_at"] == -1 for trial in study.complete_trials())


def test_a_full_disk_stops_the_study_and_a_resume_finishes_it(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tune(space_file, faces, runs, "--study", "whole")
    original, calls = DirectoryStore.put, {"left": 20}

    def put(self: DirectoryStore, name: str, data: bytes) -> None:
        calls["left"] -= 1
        if calls["left"] < 0:
            raise StorageError(
                f"disk full: {len(data)} bytes do not fit; free space, then continue with --resume"
            )
        original(self, name, data)

    monkeypatch.setattr(DirectoryStore, "put", put)
    assert tune(space_file, faces, runs, "--study", "full") == 2
    assert "disk full" in capsys.readouterr().err
    assert not events(runs / "full", "leg_failed")
    monkeypatch.undo()
    assert main(["--resume", "--study", "full", "--runs", str(runs), "--inline", "--no-report"]) == 0
    assert curves(runs / "full") == curves(runs / "whole")


def test_a_journal_that_cannot_be_written_keeps_no_half_line(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original, calls = study_module.os.write, {"left": 12}

    def write(file: int, data: Any) -> int:
        calls["left"] -= 1
        if calls["left"] == 0:
            return original(file, bytes(data)[:10])
        if calls["left"] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(file, data)

    monkeypatch.setattr(study_module.os, "write", write)
    assert tune(space_file, faces, runs, "--study", "a") == 2
    monkeypatch.undo()
    assert "journal.jsonl: No space left" in capsys.readouterr().err
    assert journal(runs / "a")  # every line parses
    assert main(["--resume", "--study", "a", "--runs", str(runs), "--inline", "--no-report"]) == 0
