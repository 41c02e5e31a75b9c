"""The comparison with other ways to search: what each hands in, where its time went, the page."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.peers import in_turn, marks_of
from benchmarks.peers_data import KINDS
from benchmarks.peers_grid import GRID
from benchmarks.peers_page import difference, interval, page_with
from benchmarks.peers_records import FOLDER, Checkpoint, Kept, append, spans
from benchmarks.peers_run import end_run, processes_of, snapshot
from benchmarks.peers_score import best_of_folds, best_trial, newest, spent
from benchmarks.peers_setting import Setting

STARTS = """
import subprocess
from pathlib import Path
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
while child.poll() is None and not Path(f"/proc/{child.pid}/environ").read_bytes():
    pass  # the system shows a process's environment a little after it has begun
"""


def checkpoint(trial: str, fold: int, score: float, time: float = 0.0, epoch: int = 1) -> Checkpoint:
    return Checkpoint(time, trial, fold, epoch, score, f"{trial}-f{fold}-e{epoch:02d}.safetensors")


def names(chosen):
    return [(item.trial, item.fold) for item in chosen]


@pytest.mark.parametrize("name", KINDS)
def test_every_configuration_of_the_grid_is_one_of_the_search_space(name):
    domains = KINDS[name].space.domains
    for config in GRID:
        assert all(
            domains[key].contains(value) for key, value in config.items() if domains[key].is_active(config)
        )
        assert {key for key, domain in domains.items() if domain.is_active(config)} <= set(config)
    assert len({json.dumps(config) for config in GRID}) == len(GRID)


def test_at_a_mark_a_fold_has_the_best_epoch_stored_by_then_and_nothing_later():
    kept = [checkpoint("a", 0, 0.5, 10), checkpoint("a", 0, 0.7, 20, 2), checkpoint("b", 0, 0.9, 61, 1)]
    assert newest(kept, 15) == {("a", 0): kept[0]}
    assert newest(kept, 60) == {("a", 0): kept[1]}


def test_a_trial_with_all_folds_goes_before_a_better_one_with_fewer():
    few = {("a", 0): checkpoint("a", 0, 0.9)}
    many = {("b", fold): checkpoint("b", fold, 0.5) for fold in range(2)}
    more = {("c", fold): checkpoint("c", fold, 0.6) for fold in range(2)}
    assert names(best_trial({**few, **many, **more})) == [("c", 0), ("c", 1)]
    assert best_trial({}) == ()


def test_stock_asha_hands_in_the_best_checkpoint_of_each_fold_whoever_it_is_of():
    kept = {("a", 0): 0.5, ("b", 0): 0.6, ("a", 1): 0.8, ("c", 1): 0.1}
    found = best_of_folds(
        {(trial, fold): checkpoint(trial, fold, score) for (trial, fold), score in kept.items()}
    )
    assert names(found) == [("b", 0), ("a", 1)]


def test_what_is_kept_comes_back_in_the_order_of_time_without_a_torn_last_line(tmp_path):
    kept = Kept(tmp_path)
    kept.keep("0", {"lr": 0.1}, 3, 2, 0.5, b"weights")
    (tmp_path / "kept-1.jsonl").write_text(json.dumps(dataclasses.asdict(checkpoint("1", 0, 0.4))) + '\n{"ti')
    assert names(kept.checkpoints()) == [("1", 0), ("0", 3)]
    assert (tmp_path / kept.checkpoints()[1].file).read_bytes() == b"weights"
    assert kept.config("0") == {"lr": 0.1}


def ran(folder: Path, lines: list[tuple[str, float, float]], minutes: float = 1.0) -> Setting:
    """A run that began at second 1000. lines: kind, begin and end of each span, in seconds from then."""
    for process, (kind, begin, end) in enumerate(lines):
        record = {"kind": kind, "begin": 1000 + begin, "end": 1000 + end, "fold": 0, "process": process}
        append(folder / f"spans-{process % 2}.jsonl", record)
    return Setting("loop", "fashion", 0, minutes, str(folder), str(folder), 1000.0)


def test_idle_time_counts_from_the_first_epoch_to_the_end_and_no_further(tmp_path):
    # Two cores from second 10 to 60: 100 core-seconds, of which 30 + 20 + 10 are epochs.
    setting = ran(
        tmp_path,
        [("build", 5, 10), ("epoch", 10, 40), ("epoch", 20, 40), ("epoch", 50, 75), ("epoch", 61, 70)],
    )
    own = spent(setting, folds=2)
    assert (own.start_up, own.epochs, own.epoch_seconds) == (10, 2, 25)
    assert own.idle == pytest.approx(1 - 60 / 100)
    assert [span.kind for span in spans(tmp_path)][:2] == ["build", "epoch"]


def test_the_first_vote_is_when_one_configuration_has_all_its_folds(tmp_path):
    setting = ran(tmp_path, [("epoch", 1, 2)])
    (tmp_path / "kept").mkdir()
    for trial, fold, time in [("a", 0, 1010.0), ("b", 0, 1011.0), ("b", 0, 1012.0), ("b", 1, 1030.0)]:
        record = dataclasses.asdict(checkpoint(trial, fold, 0.5, time))
        append(tmp_path / "kept" / "kept-1.jsonl", record)
    assert spent(setting, folds=2).first_vote == 30
    assert spent(setting, folds=3).first_vote is None


def test_a_run_that_never_came_to_an_epoch_was_idle_throughout(tmp_path):
    own = spent(ran(tmp_path, [("build", 5, 10)]), folds=2)
    assert (own.start_up, own.idle, own.epochs, own.first_vote) == (60, 1.0, 0, None)


def test_a_snapshot_keeps_what_the_study_later_deletes_and_not_what_it_later_writes(tmp_path):
    study, copy = tmp_path / "study", tmp_path / "copy"
    (study / "checkpoints").mkdir(parents=True)
    (study / "journal.jsonl").write_text("one\n")
    (study / "checkpoints" / "old").write_text("old")
    (study / "checkpoints" / "half.1.part").write_text("ha")
    snapshot(study, copy)
    (study / "checkpoints" / "old").unlink()
    (study / "checkpoints" / "new").write_text("new")
    with (study / "journal.jsonl").open("a") as journal:
        journal.write("two\n")
    assert (copy / "journal.jsonl").read_text() == "one\n"
    assert [path.name for path in (copy / "checkpoints").iterdir()] == ["old"]


def test_what_a_run_started_in_sessions_of_their_own_ends_with_it(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", STARTS], env={**os.environ, FOLDER: str(tmp_path)})
    run.wait()
    assert len(processes_of(tmp_path)) == 1 and processes_of(tmp_path / "other") == []
    end_run(run, tmp_path)
    assert processes_of(tmp_path) == []


def test_marks_are_every_so_many_minutes_and_the_end():
    assert marks_of(3, 1) == [1, 2, 3]
    assert marks_of(1, 0.3) == pytest.approx([0.3, 0.6, 0.9, 1])


def test_each_seed_begins_with_another_method():
    methods = ["a", "b", "c"]
    assert [in_turn(methods, seed)[0] for seed in range(4)] == ["a", "b", "c", "a"]
    assert sorted(in_turn(methods, 2)) == methods


def test_intervals_are_students_t():
    values = [0.1, 0.3, 0.2, 0.5]
    assert interval(values)[1:] == pytest.approx(
        stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    )
    assert difference([0.1]) == "+0.100, ahead in 1 of 1"


def result(method: str, seed: int, scores: list[float | None]) -> dict:
    handed_in = [{"minute": minute, "score": score} for minute, score in enumerate(scores, 1)]
    own = {"start_up": 9.0, "first_vote": None, "idle": 0.1, "epochs": 50, "epoch_seconds": 0.5}
    machine = {"cpu": "x86_64", "cores": 2, "ray": "2", "torch": "2", "optuna": "5"}
    return {
        "method": method, "data": "fashion", "seed": seed, "minutes": 2, "handed_in": {method: handed_in},
        "spent": own, "load_before": 0.1, "machine": machine,
    }  # fmt: skip


def test_the_page_says_where_there_was_nothing_to_hand_in_and_compares_seed_by_seed():
    results = [result("loop", seed, [0.5, 0.6]) for seed in (0, 1)]
    results += [result("ours", 0, [None, 0.8]), result("ours", 1, [0.4, 0.6])]
    page = page_with("before <!-- figures: written by python -m benchmarks.peers --page -->stale", results)
    assert page.startswith("before ") and "stale" not in page
    assert "| 1 | 0.400 (1 of 2) | 0.500 |" in page
    assert "| 1 | -0.100, ahead in 0 of 1 |" in page
    assert "| 2 | +0.100 (-1.171 to +1.371), ahead in 1 of 2 |" in page
