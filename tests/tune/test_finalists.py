"""Finalists that time had no room for: named at the end, and complete once a study has more time."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from orchestrator.core.events import State
from orchestrator.race import make_race
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from orchestrator.tune.plan import race_config
from orchestrator.tune.replaying import replay
from tests.support.helpers import check_consistent, events
from tests.support.scenes import states
from tests.tune.test_budget import interrupting, resume, runs, spent, tune, with_clock

__all__ = ["runs"]  # a fixture


def complete(folder: Path) -> int:
    """Trials, after the journal was replayed to the same."""
    study = Study(folder)
    race = make_race(study.header.rule, race_config(study.space, tuple(study.header.fold_order)))
    assert replay(race, study) == ""
    check_consistent(folder, folds=3, max_t=4)
    found = {trial for trial, state in states(race).items() if state is State.COMPLETE}
    assert found == {trial.number for trial in study.complete_trials()}
    return len(found)


@pytest.mark.parametrize("budget", [12, 31])
def test_the_command_that_is_named_completes_the_others(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    budget: int,
) -> None:
    """After 12 s time was over, after 31 s the race was done with a finalist fewer."""
    with_clock(monkeypatch)
    limits = ("--time-budget", f"{budget}s", "--trials", "9")
    assert tune(space_file, faces, runs, "--study", "a", *limits) == 0
    assert bool(events(runs / "a", "budget_spent")) == (budget == 12)
    told = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 finalists is complete: --time-budget had room for no more;" in told
    assert complete(runs / "a") == 1
    words = told[told.index("up to 12 fold-epochs complete 1 finalist more: ") :].split(": ", 1)[1]
    command = shlex.split(words.split("best:")[0])
    assert command[-2:] == ["--time-budget", "1m"]
    monkeypatch.undo()
    assert main([*command[3:], "--inline", "--no-report"]) == 0
    again = " ".join(capsys.readouterr().out.split())
    assert "2 finalists again (there was time for 1)" in again and "had room for no more" not in again
    assert complete(runs / "a") == 2
    assert main([*command[3:-2], "--inline", "--no-report"]) == 0
    assert len(events(runs / "a", "widened")) == 1


def test_a_study_that_was_narrowed_and_stopped_has_all_finalists_again_without_a_limit(
    space_file: Path, faces: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_clock(monkeypatch)
    interrupting(monkeypatch, lambda: bool(events(runs / "a", "shortened")))
    assert tune(space_file, faces, runs, "--study", "a", "--time-budget", "31s", "--trials", "9") == 130
    monkeypatch.undo()
    before = spent(runs / "a")
    assert resume(runs, "a") == 0
    assert complete(runs / "a") == 2 and spent(runs / "a") > before


@pytest.mark.parametrize("limit", [24, 25, 26, 27])
def test_more_time_never_exceeds_the_fold_epochs(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    limit: int,
) -> None:
    with_clock(monkeypatch)
    limits = ("--time-budget", "12s", "--max-fold-epochs", f"{limit}", "--trials", "9")
    assert tune(space_file, faces, runs, "--study", "a", *limits) == 0
    fits = spent(runs / "a") + 12 <= limit
    assert complete(runs / "a") == 1
    told = " ".join(capsys.readouterr().out.split())
    none = f"and --max-fold-epochs {limit} has room for none; for more, begin another study"
    assert (none in told, "complete 1 finalist more" in told) == (not fits, fits)
    monkeypatch.undo()
    assert resume(runs, "a", "--time-budget", "1h") == 0
    assert spent(runs / "a") <= limit and complete(runs / "a") == 1 + fits
    assert len(events(runs / "a", "widened")) == fits


def test_time_is_refused_where_every_finalist_is_complete(
    space_file: Path,
    faces: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_clock(monkeypatch)
    assert tune(space_file, faces, runs, "--study", "a", "--time-budget", "12s", "--trials", "9") == 0
    monkeypatch.undo()
    assert resume(runs, "a", "--time-budget", "1h") == 0 and complete(runs / "a") == 2
    assert resume(runs, "a", "--time-budget", "1h") == 2
    error = capsys.readouterr().err
    assert "its budget is spent" in error and "and --time-budget, or begin" in error
