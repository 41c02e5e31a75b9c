"""Studies with a budget, in this process: within it, finalists complete, resumed and replayed alike."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.budget import Budget
from orchestrator.core.errors import InputError
from orchestrator.core.events import State
from orchestrator.execution import worker
from orchestrator.race import make_race
from orchestrator.space.loading import load_space
from orchestrator.study.study import Study
from orchestrator.tune import Request, run_search
from orchestrator.tune.__main__ import main
from orchestrator.tune.plan import fit_to_budget, plan_text, race_config
from orchestrator.tune.replaying import replay
from tests.support.helpers import check_consistent, checkpoints, curves, events, journal
from tests.support.scenes import states


class StoppedError(Exception):
    pass


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def tune(space: Path, data: Path, runs: Path, *more: str) -> int:
    return main(
        ["--space", str(space), "--data", str(data), "--runs", str(runs), "--inline", "--no-report", *more]
    )


def resume(runs: Path, name: str, *more: str) -> int:
    return main(["--resume", "--study", name, "--runs", str(runs), "--inline", "--no-report", *more])


def spent(folder: Path) -> int:
    return len(events(folder, "epoch_ended"))


def only_the_best_are_kept(study: Study) -> bool:
    bests = [best for trial in study.complete_trials() for best in trial.bests]
    return checkpoints(study) == {name for best in bests for name in (best.weights, best.oof)}


class Clock:
    """A second for each epoch of a fold run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        original = worker.FoldRunWorker.step

        def step(own: worker.FoldRunWorker) -> Any:
            self.now += 1.0
            return original(own)

        monkeypatch.setattr(worker.FoldRunWorker, "step", step)

    def __call__(self) -> float:
        return self.now


def with_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for each epoch."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr("orchestrator.tune.output.run_search", partial(run_search, clock=clock))


# ---- fold-epochs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [24, 25, 29, 33])
def test_a_study_stays_within_its_limit_and_completes_its_finalists(
    space_file: Path, faces: Path, runs: Path, limit: int
) -> None:
    assert tune(space_file, faces, runs, "--study", "a", "--max-fold-epochs", str(limit)) == 0
    study = Study(runs / "a")
    assert spent(runs / "a") <= limit
    assert len(study.complete_trials()) == 2
    assert only_the_best_are_kept(study)
    check_consistent(runs / "a", folds=3, max_t=4)


def test_a_limit_below_the_finalists_is_refused_and_the_number_named(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, runs, "--study", "a", "--max-fold-epochs", "23") == 2
    assert "2 finalists on 3 folds of 4 epochs take 24" in capsys.readouterr().err
    assert not (runs / "a").exists()


def test_a_limit_that_is_not_enough_for_all_tries_is_refused(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tries = [word for lr in ("0.1", "0.2", "0.3") for word in ("--try", f"lr={lr}")]
    assert tune(space_file, faces, runs, "--max-fold-epochs", "24", *tries) == 2
    assert "enough for 2 trials and 3 --try were given" in capsys.readouterr().err


@pytest.mark.parametrize("after", [3, 11, 20])
def test_a_study_with_a_limit_is_continued_bit_for_bit_without_naming_it_again(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    limit = ("--max-fold-epochs", "30")
    tune(space_file, faces, runs, "--study", "whole", *limit)
    original, calls = worker.FoldRunWorker.step, {"left": after}

    def step(self: worker.FoldRunWorker) -> Any:
        outcome = original(self)
        calls["left"] -= 1
        if calls["left"] == 0:
            raise StoppedError
        return outcome

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    with pytest.raises(StoppedError):
        tune(space_file, faces, runs, "--study", "cut", *limit)
    monkeypatch.undo()
    assert resume(runs, "cut") == 0
    assert curves(runs / "cut") == curves(runs / "whole")
    assert Study(runs / "cut").complete_trials() == Study(runs / "whole").complete_trials()


def test_the_limit_is_of_all_sessions_together(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(space_file, faces, runs, "--study", "a")
    before = spent(runs / "a")
    assert resume(runs, "a", "--max-fold-epochs", str(before - 1)) == 2
    assert f"is complete and has spent {before}" in capsys.readouterr().err
    assert resume(runs, "a", "--max-fold-epochs", str(before + 40)) == 0
    assert before < spent(runs / "a") <= before + 40
    assert events(runs / "a", "extended")


def test_trials_given_at_the_start_hold_until_others_are_given(
    space_file: Path, faces: Path, runs: Path
) -> None:
    tune(space_file, faces, runs, "--study", "a", "--trials", "5")
    limit = ("--max-fold-epochs", "150")
    assert resume(runs, "a", *limit) == 0
    assert len(Study(runs / "a").configs) == 5
    assert resume(runs, "a", "--trials", "8", *limit) == 0
    assert len(Study(runs / "a").configs) == 8


def test_a_study_cut_by_its_limit_grows_by_as_many_trials_as_its_space_asks_for(
    space_file: Path, faces: Path, runs: Path
) -> None:
    tune(space_file, faces, runs, "--study", "a", "--max-fold-epochs", "25")
    assert len(Study(runs / "a").configs) < 4
    assert resume(runs, "a", "--max-fold-epochs", "120") == 0
    first = events(runs / "a", "extended")[0]["trials"]
    assert first >= 9


def interrupting(monkeypatch: pytest.MonkeyPatch, when: Callable[[], bool]) -> None:
    """Ctrl-C at the first epoch for which `when` says so."""
    original = worker.FoldRunWorker.step

    def step(self: worker.FoldRunWorker) -> Any:
        if when():
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    monkeypatch.setattr("orchestrator.tune.run.ignore_interrupts", lambda: None)


def pasted(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The arguments of the command that was printed to continue with."""
    return shlex.split(capsys.readouterr().out.splitlines()[-1])[3:]


def test_the_printed_command_goes_on_with_the_trials_that_were_given(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = iter(range(5))
    interrupting(monkeypatch, lambda: next(left, None) is None)
    size = ("--trials", "3", "--max-fold-epochs", "80")
    assert tune(space_file, faces, runs, "--study", "a", *size) == 130
    command = pasted(capsys)
    monkeypatch.undo()
    assert main(command) == 0
    assert len(Study(runs / "a").configs) == 3


def test_the_printed_command_of_a_resumed_study_keeps_its_trials(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tune(space_file, faces, runs, "--study", "a")
    interrupting(monkeypatch, lambda: True)
    assert resume(runs, "a", "--trials", "11", "--max-fold-epochs", "200") == 130
    command = pasted(capsys)
    monkeypatch.undo()
    assert main(command) == 0
    assert len(Study(runs / "a").configs) == 11


def test_a_study_that_its_limit_only_shortened_takes_more_trials(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(range(4))
    interrupting(monkeypatch, lambda: next(left, None) is None)
    assert tune(space_file, faces, runs, "--study", "a") == 130
    monkeypatch.undo()
    assert resume(runs, "a", "--trials", "10", "--max-fold-epochs", "30") == 0
    assert events(runs / "a", "shortened") and not events(runs / "a", "budget_spent")
    before = len(Study(runs / "a").configs)
    assert resume(runs, "a", "--trials", "12", "--max-fold-epochs", "90") == 0
    assert len(Study(runs / "a").configs) == before + 2
    assert spent(runs / "a") <= 90


def test_a_limit_may_afford_more_tries_than_the_space_has_trials(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tries = [word for part in range(12) for word in ("--try", f"lr={0.1 + part / 100}")]
    assert tune(space_file, faces, runs, "--study", "a", "--max-fold-epochs", "90", *tries) == 0
    assert len(Study(runs / "a").configs) >= 12
    assert tune(space_file, faces, runs, *tries) == 2
    assert "given 12 times and the study has 9 trials" in capsys.readouterr().err


def test_a_limit_given_late_ends_legs_under_way_and_keeps_nothing_of_them(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = worker.FoldRunWorker.step, {"left": 30}

    def step(self: worker.FoldRunWorker) -> Any:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise StoppedError
        return original(self)

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    with pytest.raises(StoppedError):
        tune(space_file, faces, runs, "--study", "a", "--rule", "exhaustive")
    monkeypatch.undo()
    assert resume(runs, "a", "--max-fold-epochs", "31", "--trials", "9") == 0
    assert spent(runs / "a") == 31
    assert only_the_best_are_kept(Study(runs / "a"))
    kinds = [event["event"] for event in journal(runs / "a") if event["event"] != "decided"]
    assert ("budget_spent", "epoch_ended") in pairwise(kinds)  # it came before the epoch it could not afford


def test_trials_given_are_never_exceeded(space_file: Path, faces: Path, runs: Path) -> None:
    tune(space_file, faces, runs, "--study", "a", "--trials", "5", "--max-fold-epochs", "100")
    assert len(Study(runs / "a").configs) == 5


def test_without_a_number_of_trials_there_are_as_many_as_the_limit_affords(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(space_file, faces, runs, "--study", "a", "--max-fold-epochs", "80")
    assert len(Study(runs / "a").configs) > 9
    assert 70 <= spent(runs / "a") <= 80
    assert "instead of 9: what --max-fold-epochs is enough for" in capsys.readouterr().out


# ---- time -----------------------------------------------------------------------------------------


def timed(space: Path, data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> Study:
    request = Request(
        space=str(space), data=str(data), study="a", runs=runs, inline=True, time_budget=seconds, trials=9
    )
    run_search(request, say=lambda text: None, clock=Clock(monkeypatch))
    return Study(runs / "a")


def test_a_study_ends_in_time_and_replays_to_the_same_state(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = timed(space_file, faces, runs, monkeypatch, 31.0)
    assert spent(runs / "a") <= 31
    assert len(study.complete_trials()) == 1  # time has no room for the plan of two
    assert only_the_best_are_kept(study)
    told = events(runs / "a", "shortened") + events(runs / "a", "budget_spent")
    assert told
    race = make_race(study.header.rule, race_config(study.space, tuple(study.header.fold_order)))
    replay(race, study)
    assert race.done
    complete = {trial for trial, state in states(race).items() if state is State.COMPLETE}
    assert complete == {trial.number for trial in study.complete_trials()}


def test_a_study_whose_budget_is_spent_takes_neither_trials_nor_a_budget(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    timed(space_file, faces, runs, monkeypatch, 12.0)
    assert events(runs / "a", "budget_spent")
    monkeypatch.undo()
    for more in (("--trials", "20"), ("--max-fold-epochs", "500")):
        assert resume(runs, "a", *more) == 2
        error = capsys.readouterr().err
        assert "its budget is spent" in error and len(error.splitlines()) == 2
    before = spent(runs / "a")
    assert resume(runs, "a") == 0 and spent(runs / "a") == before


def test_the_printed_command_is_taken_after_the_budget_is_spent(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_clock(monkeypatch)
    interrupting(monkeypatch, lambda: bool(events(runs / "a", "budget_spent")))
    limits = ("--time-budget", "12s", "--max-fold-epochs", "90", "--trials", "9")
    assert tune(space_file, faces, runs, "--study", "a", *limits) == 130
    command = pasted(capsys)
    monkeypatch.undo()
    assert main(command) == 0
    assert len(Study(runs / "a").complete_trials()) == 1


def test_there_is_a_vote_when_time_is_over_and_a_complete_trial_after_it(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_clock(monkeypatch)
    interrupting(monkeypatch, lambda: len(events(runs / "a", "budget_spent")) == 2)
    assert tune(space_file, faces, runs, "--study", "a", "--time-budget", "8s", "--trials", "9") == 130
    study = Study(runs / "a")
    assert not study.complete_trials() and len(study.candidate_trials()) == 1
    over = "8s of --time-budget 8s are over and no trial is complete: 6 fold-epochs more complete the best"
    assert f"finish finalist: {over}, in about 6s\n" in capsys.readouterr().out
    monkeypatch.undo()
    assert resume(runs, "a") == 0
    assert [trial.number for trial in Study(runs / "a").complete_trials()] == [
        trial.number for trial in study.candidate_trials()
    ]


@pytest.mark.parametrize("text", ["2x", "-1h"])
def test_a_time_that_is_none_is_refused(
    text: str, space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, runs, f"--time-budget={text}") == 2
    assert f"--time-budget {text}: give a time" in capsys.readouterr().err


# ---- the plan -------------------------------------------------------------------------------------


def test_the_plan_is_printed_before_anything_starts(
    space_file: Path, faces: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(space_file, faces, runs, "--study", "a", "--time-budget", "1h30m", "--trials", "9")
    lines = capsys.readouterr().out.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith("plan: 9 trials, about ")]
    assert "all at full length would be 108; budget: 1h30m" in lines[place]
    assert any(" started a" in line for line in lines[place:])


def test_the_plan_expects_what_the_race_spends(space_file: Path) -> None:
    space = load_space(space_file)
    about = int(plan_text(space, "fold_asha", 1, 0, Budget()).split("about ")[1].split()[0])
    plan = make_race("fold_asha", race_config(space)).planned_fold_epochs
    assert 0.8 * plan <= about <= 1.2 * plan
    exhaustive = plan_text(space, "exhaustive", 4, 0, Budget(500))
    assert exhaustive.startswith("plan: 9 trials, about 108 fold-epochs")
    assert exhaustive.endswith("budget: 500 fold-epochs")


def test_the_plan_says_that_more_trials_follow_and_one_is_one(space_file: Path) -> None:
    space = load_space(space_file)
    text = plan_text(space, "fold_asha", 1, 0, Budget(seconds=3600), goes_on=True)
    assert text.endswith("; then more trials until the budget ends; budget: 1h")
    assert plan_text(replace(space, trials=1), "exhaustive", 1, 0, Budget()).startswith(
        "plan: 1 trial, about"
    )
    one = replace(space, trials=1, folds=2, max_t=1, grace_period=1)
    with pytest.raises(InputError, match="1 finalist on 2 folds of 1 epoch takes 2; "):
        fit_to_budget(one, "fold_asha", Budget(1), 1, None)


def test_what_a_limit_affords_is_found_without_building_races(
    space_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tune.plan.make_race", None)
    assert fit_to_budget(load_space(space_file), "fold_asha", Budget(50_000), 4, None).trials > 10_000


def test_what_is_afforded_is_the_largest_number_that_fits(space_file: Path) -> None:
    space = load_space(space_file)
    for limit in (30, 77, 400):
        found = fit_to_budget(space, "fold_asha", Budget(limit), 1, None).trials
        plans = [
            make_race("fold_asha", replace(race_config(space), trials=trials)).planned_fold_epochs
            for trials in (found, found + 1)
        ]
        assert plans[0] <= limit - 1 < plans[1]
    assert fit_to_budget(space, "fold_asha", Budget(400), 1, 20).trials == 20
    assert fit_to_budget(space, "fold_asha", Budget(), 1, None) is space
