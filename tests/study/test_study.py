"""What a program reads of a study: without its lock, and as tables."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import StudyError
from orchestrator.core.events import Decided, State
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate.simulator import simulate
from orchestrator.study import Study
from orchestrator.study.history import History
from orchestrator.study.trial_states import TrialStates
from tests.support.journals import unsealed

MADE_BY_0_1 = Path(__file__).with_name("made_by_0_1") / "studies"


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    return shutil.copytree(MADE_BY_0_1 / "complete", tmp_path / "complete")


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The same search, whose driver was killed after 14 epochs."""
    return shutil.copytree(MADE_BY_0_1 / "killed", tmp_path / "killed")


def test_a_study_is_read_while_another_process_drives_it_and_cannot_be_written(complete: Path) -> None:
    driver = Study.open(complete)
    try:
        reader = Study(str(complete))
        assert reader.complete_trials() == driver.complete_trials()
        with pytest.raises(StudyError, match="was opened for reading"):
            reader.append(reader.events[0])
    finally:
        driver.close()


def test_the_history_loads_neither_pandas_nor_pyarrow() -> None:
    code = "import sys, orchestrator.study.history as _; print({'pandas', 'pyarrow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_the_leaderboard_of_a_closed_study_agrees_with_its_exports(complete: Path) -> None:
    board = Study(complete).leaderboard()
    exported = pd.read_parquet(complete / "trials.parquet").set_index("trial").loc[board["trial"]]
    for name in ("state", "folds_complete", "epochs_spent", "config", "param_lr"):
        assert board[name].tolist() == exported[name].tolist(), name
    best = exported[exported["state"] == "COMPLETE"]
    assert board["score"].tolist()[: len(best)] == pytest.approx(best["score"].tolist(), abs=1e-12)
    assert board["score"][: len(best)].is_monotonic_decreasing
    assert "rung" not in board


def test_the_leaderboard_says_which_complete_trials_may_be_the_best(complete: Path) -> None:
    study = Study(complete)
    board = study.leaderboard().set_index("trial")
    found = study.confidence_set()
    inside = board.index[board["may_be_best"].fillna(False)].tolist()
    assert inside == list(found.trials) and found.considered == 2
    assert board.index[board["may_be_best"].notna()].tolist() == [t.number for t in study.complete_trials()]
    assert found == study.confidence_set()  # the same resamples


def test_the_leaderboard_says_how_far_each_complete_trial_is_behind_fold_by_fold(complete: Path) -> None:
    study = Study(complete)
    first, second = study.complete_trials()
    board = study.leaderboard().set_index("trial")
    behind = board.loc[second.number]
    assert behind["minus_best"] == pytest.approx(second.score - first.score)
    assert behind["minus_best_low"] <= behind["minus_best"] <= behind["minus_best_high"]
    assert board.loc[first.number, ["minus_best", "minus_best_low", "minus_best_high"]].tolist() == [0, 0, 0]
    assert board["minus_best"].notna().sum() == 2


def test_without_a_trials_predictions_the_leaderboard_does_not_say_who_may_be_best(complete: Path) -> None:
    study = Study(complete)
    study.files.oof(study.complete_trials()[1].number).unlink()
    assert study.leaderboard()["may_be_best"].isna().all()
    assert "is missing" in str(study.confidence_set())


def test_the_leaderboard_of_a_study_under_way_has_those_that_came_furthest_first(killed: Path) -> None:
    board = Study(killed).leaderboard()
    assert board["epochs_spent"].sum() == 14
    assert board["may_be_best"].isna().all()
    assert (board["state"] != "COMPLETE").all()
    order = list(zip(board["folds_complete"], board["epochs_spent"], board["score"].fillna(-1), strict=True))
    assert order == sorted(order, reverse=True)


def test_a_study_that_has_only_begun_has_empty_tables(killed: Path) -> None:
    journal = killed / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    study = Study(killed)
    assert study.leaderboard().empty
    assert study.curves().empty
    assert study.state == "open"


def test_curves_have_a_row_for_each_epoch_and_the_best_so_far(complete: Path) -> None:
    study = Study(complete)
    curves = study.curves()
    assert list(curves.columns[:6]) == ["trial", "fold", "epoch", "score", "best_score", "seconds"]
    for _, run in curves.groupby(["trial", "fold"]):
        assert run["epoch"].tolist() == list(range(1, len(run) + 1))
        assert run["best_score"].tolist() == run["score"].cummax().tolist()
    assert curves.equals(pd.read_parquet(complete / "epochs.parquet"))


def test_out_of_fold_predictions_come_with_their_paths_and_classes(complete: Path) -> None:
    study = Study(complete)
    best = study.complete_trials()[0].number
    prediction = study.oof(best)
    frame = prediction.frame()
    assert list(frame.columns) == ["row", "path", "label", "fold", "p_red", "p_blue"]
    assert frame["path"].tolist() == study.manifest().frame["path"][prediction.rows].tolist()
    assert np.array_equal(frame[["p_red", "p_blue"]].to_numpy(), prediction.probabilities)


def test_a_trial_pruned_while_its_last_epoch_ran_is_not_complete(complete: Path) -> None:
    """Its files are deleted as those of every pruned trial, so an ensemble could not read them."""
    numbers = [trial.number for trial in Study(complete).complete_trials()]
    journal = complete / "journal.jsonl"
    lines = [json.loads(line) for line in unsealed(journal.read_text()).splitlines()]
    for line in lines:
        if line["event"] == "decided" and (line["action"], line["trial"]) == ("COMPLETE", numbers[-1]):
            line["action"] = "PRUNE"
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.rmtree(complete / "checkpoints" / f"t{numbers[-1]:04d}-f0")
    assert [trial.number for trial in Study(complete).complete_trials()] == numbers[:-1]


def test_what_a_study_calls_complete_is_what_the_race_does() -> None:
    """Races in which a slot ends the last epoch of a trial that is out by then."""
    seen = 0
    for seed in (75, 237, 265):
        rng = np.random.default_rng(seed)
        trials, folds, epochs = (int(rng.integers(*ends)) for ends in ((4, 10), (2, 5), (2, 6)))
        scores, seconds = rng.random((trials, folds, epochs)), rng.exponential(1, (trials, folds, epochs))
        race = make_race("fold_asha", RaceConfig(trials, folds, epochs, finalists=int(rng.integers(1, 3))))
        log = simulate(
            race, scores, int(rng.integers(2, 7)), rng, float(rng.choice([0, 0.1])), seconds=seconds
        )
        decided = [Decided(d.action.value, d.trial, d.reason, d.fold) for made in log.decisions for d in made]
        states = TrialStates(decided)
        full = History("max", log.events).complete(folds, epochs)
        complete = [item.trial for item in race.statuses() if item.state is State.COMPLETE]
        assert [trial for trial in full if states.of_trial(trial) is State.COMPLETE] == sorted(complete)
        seen += len(full) - len(complete)
    assert seen  # else these races show nothing


def test_a_trial_that_is_not_complete_has_no_predictions(complete: Path) -> None:
    study = Study(complete)
    known = ", ".join(str(trial.number) for trial in study.complete_trials())
    with pytest.raises(StudyError, match=f"trial 99 has no out-of-fold predictions.*complete: {known}"):
        study.oof(99)


def test_predictions_that_a_killed_driver_did_not_write_are_written_by_the_next(complete: Path) -> None:
    best = Study(complete).complete_trials()[0].number
    (complete / "oof" / f"t{best:04d}.parquet").unlink()
    with pytest.raises(StudyError, match=rf"t{best:04d}\.parquet is missing; .*--resume"):
        Study(complete).oof(best)


def test_a_folder_without_a_journal_is_no_study_and_gets_no_lock(tmp_path: Path) -> None:
    for opened in (Study, Study.open):
        with pytest.raises(StudyError, match="is no study: it has no journal"):
            opened(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_state_best_folds_and_the_newest_interval(complete: Path) -> None:
    html = Study(complete)._repr_html_()
    best = Study(complete).complete_trials()[0]
    assert f"trial {best.number}: {best.score:.4f}" in html
    assert ", ".join(f"{item.score:.4f}" for item in best.bests) in html
    assert "finished, 2 of 9 trials complete" in html
    assert "0.5541, 95% interval 0.2500 to 0.8837 (ensemble, BBC-CV, 1000 repeats)" in html


def test_a_notebook_shows_a_study_without_a_complete_trial_or_with_a_torn_ensemble(
    complete: Path, killed: Path
) -> None:
    assert "no complete trial" in Study(killed)._repr_html_()
    (complete / "ensemble" / "ensemble.json").write_text('{"estimates": {"bbc":')
    assert "interval" not in Study(complete)._repr_html_()


def test_what_comes_from_data_is_escaped(complete: Path) -> None:
    path = complete / "ensemble" / "ensemble.json"
    record = json.loads(path.read_text())
    record["estimates"]["bbc"]["method"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(record))
    odd = complete.rename(complete.with_name("<b>odd & more"))
    html = Study(odd)._repr_html_()
    assert "<script>" not in html and "<b>" not in html
    assert "&lt;b&gt;odd &amp; more" in html
