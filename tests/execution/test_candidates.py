"""What stays of trials that were dropped with all their folds: what a vote may use, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.synthetic_study import Checkpoints, Size, Slots, make_study
from orchestrator.core.events import (
    Action,
    Decided,
    Decision,
    EpochEnded,
    Event,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    State,
)
from orchestrator.execution.driver import Driver
from orchestrator.progress import StudyContext, StudyView
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import make_sampler
from orchestrator.storage import DirectoryStore
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.history import History
from orchestrator.study.study import Study
from orchestrator.study.trial_states import TrialStates
from tests.support.helpers import checkpoints


def driven(folder: Path, size: Size, rule: str) -> tuple[Driver, Study]:
    """A whole study of fold runs that nobody trains."""
    study, dataset = make_study(folder, size)
    race = make_race(rule, RaceConfig(size.trials, size.folds, size.epochs, finalists=1))
    context = StudyContext("s", "macro_f1", "max", size.epochs, size.slots)
    driver = Driver(
        race,
        study,
        make_sampler("random", study.space, 0),
        dataset,
        StudyView(race, context, console=Console(quiet=True)),
    )
    files = Checkpoints(study.path / "checkpoints", dataset)
    for event in Slots(driver, size).epochs():
        files.store(event)
    assert race.done
    return driver, study


def pruned_with_all_folds(study: Study) -> set[int]:
    states, history = TrialStates(study.events), History("max", study.events)
    all_folds = history.with_all_folds(study.space.folds)
    return {trial for trial in all_folds if states.of_trial(trial) is State.PRUNED}


@pytest.mark.parametrize("slots", [1, 3, 7])
@pytest.mark.parametrize("rule", ["fold_asha", "fold_mean_asha", "pooled_asha"])
def test_the_best_epochs_of_all_with_all_folds_stay_and_nothing_else(
    tmp_path: Path, rule: str, slots: int
) -> None:
    driver, study = driven(tmp_path, Size(12, 3, 6, slots), rule)
    complete, candidates = study.complete_trials(), study.candidate_trials()
    assert candidates[: len(complete)] == complete
    others = {item.number for item in candidates[len(complete) :]}
    if rule == "pooled_asha":  # its folds begin and stop one by one: some after their trial was dropped
        assert others <= pruned_with_all_folds(study)
    else:
        assert others == pruned_with_all_folds(study)
    named = {name for item in candidates for best in item.bests for name in (best.weights, best.oof)}
    assert checkpoints(study) == named
    driver.settle()
    assert checkpoints(study) == named
    study.close()


def test_some_rules_do_prune_trials_that_have_all_folds(tmp_path: Path) -> None:
    _, study = driven(tmp_path, Size(12, 3, 6, 3), "fold_mean_asha")
    others = study.candidate_trials()[len(study.complete_trials()) :]
    assert others and [item.score for item in others] == sorted((item.score for item in others), reverse=True)
    assert all(len(item.epochs) == 3 and min(item.epochs) < 6 for item in others)
    assert len(study.leaderboard()) == 12
    study.close()


def test_one_whose_files_are_gone_is_no_candidate(tmp_path: Path) -> None:
    _, study = driven(tmp_path, Size(12, 3, 6, 3), "fold_mean_asha")
    first, *others = study.candidate_trials()[len(study.complete_trials()) :]
    study.store().delete(first.bests[1].oof)
    assert study.candidate_trials()[len(study.complete_trials()) :] == others
    study.close()


def test_a_parked_trial_is_a_candidate_and_one_that_failed_is_not(tmp_path: Path) -> None:
    study, dataset = make_study(tmp_path, Size(2, 2, 3, 2))
    files = Checkpoints(study.path / "checkpoints", dataset)
    for trial in (0, 1):
        study.append(Proposed(trial, {"lr": 0.1}))
        for fold in (0, 1):
            study.append(LegStarted(trial, fold, 0, 2))
            for epoch in (1, 2):
                event = EpochEnded(trial, fold, epoch, 0.1 * epoch)
                files.store(event)
                study.append(event)
    study.append(Decided("FAIL", 1, "its code raised"))
    (candidate,) = study.candidate_trials()
    assert (candidate.number, candidate.epochs) == (0, (2, 2)) and study.complete_trials() == []
    assert [best.epoch for best in candidate.bests] == [2, 2]
    study.close()


class Scripted:
    """A race of one trial that answers what it is told to."""

    done = True

    def __init__(self) -> None:
        self.pruned = False

    def state(self, trial: int) -> State:
        return State.PRUNED if self.pruned else State.RUNNING

    def apply(self, event: Event) -> list[Decision]:
        if isinstance(event, EpochEnded) and (event.fold, event.epoch) == (0, 2):
            self.pruned = True
            return [Decision(Action.PRUNE, 0, "pruned"), Decision(Action.STOP, 0, "out", 0)]
        if self.pruned:
            return [Decision(Action.STOP, 0, "out", 1)]
        return []


class Blind:
    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        """Nobody watches."""


@pytest.mark.parametrize("its_first_epoch", ["ends", "is lost"])
def test_a_fold_run_that_still_runs_decides_whether_its_trial_may_vote(
    tmp_path: Path, its_first_epoch: str
) -> None:
    study, dataset = make_study(tmp_path, Size(1, 2, 3, 2))
    race: Any = Scripted()
    driver = Driver(race, study, make_sampler("random", study.space, 0), dataset, Blind())
    files = Checkpoints(study.path / "checkpoints", dataset)
    for fold in (0, 1):
        driver.start(Leg(0, fold, 0, 3))
    for epoch in (1, 2):
        report(driver, files, EpochEnded(0, 0, epoch, 0.5))
    best = {"t0000-f0/best-e0001.safetensors", "t0000-f0/best-e0001.oof.safetensors"}
    assert checkpoints(study) == best  # fold 1 runs its first epoch
    if its_first_epoch == "ends":
        report(driver, files, EpochEnded(0, 1, 1, 0.5))
        assert [item.epochs for item in study.candidate_trials()] == [(2, 1)]
        assert len(checkpoints(study)) == 4
    else:
        driver.report(LegFailed(0, 1, 0, "lost", "its node is gone"))
        assert study.candidate_trials() == [] and checkpoints(study) == set()
    study.close()


def report(driver: Driver, files: Checkpoints, event: EpochEnded) -> None:
    files.store(event)
    driver.report(event)


def test_the_files_of_a_decision_go_together_and_none_of_a_fold_run_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports, report = 0, Driver.report
    batches: list[list[str]] = []

    def counting(driver: Driver, outcome: Any) -> Any:
        nonlocal reports
        reports += 1
        before = len(batches)
        answer = report(driver, outcome)
        assert len(batches) <= before + 2, "of trials that are complete, and of those that are out"
        running = {str(key) for key in driver.running_keys()}
        assert not running & {name.partition("/")[0] for names in batches[before:] for name in names}
        return answer

    def delete_many(store: DirectoryStore, names: Sequence[str]) -> None:
        batches.append(list(names))
        CheckpointStore.delete_many(store, names)

    monkeypatch.setattr(Driver, "report", counting)
    monkeypatch.setattr(DirectoryStore, "delete_many", delete_many, raising=False)
    _, study = driven(tmp_path, Size(12, 3, 6, 3), "fold_mean_asha")
    assert reports and len(batches) < sum(map(len, batches)) / 3
    assert all(len(names) == len(set(names)) for names in batches)
    study.close()
