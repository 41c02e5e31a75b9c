"""Failed trials: what the end of a search says of them, and how they run again."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

import orchestrator as fo
from orchestrator.core.errors import NonFiniteError
from orchestrator.core.events import BudgetSpent, Decided, EpochEnded, FoldRunKey, Reopened
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study.failures import why_not_again
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.conftest import SPACE
from tests.pixel_trainable import PixelTrainable
from tests.support.helpers import check_consistent, checkpoints, curves, events, journal
from tests.support.journals import unsealed

Broken = dict[float, tuple[int, type[Exception]]]
"""Learning rate -> the epoch in which its fold runs raise, and what."""


@contextlib.contextmanager
def breakable() -> Iterator[Broken]:
    """Configurations put into it fail until they are taken out."""
    made: Broken = {}
    behave = PixelTrainable._misbehave

    def misbehave(self: PixelTrainable) -> None:
        epoch, error = made.get(self._config["lr"], (0, RuntimeError))
        if epoch == self._epoch:
            raise error(f"disk 7 is full in epoch {epoch}")
        behave(self)

    with patch.object(PixelTrainable, "_misbehave", misbehave):
        yield made


@pytest.fixture
def broken() -> Iterator[Broken]:
    with breakable() as made:
        yield made


def tune(folder: Path, data: Path, name: str, *more: str) -> int:
    # A score that hardly ever ties.
    space = SPACE.replace("folds=3,", 'metric="log_loss", mode="min", folds=3,')
    (folder / "tint.py").write_text(space)
    given = {"--space": folder / "tint.py", "--data": data, "--runs": folder, "--study": name}
    return main([word for pair in given.items() for word in map(str, pair)] + ["--inline", *more])


Failed = tuple[int, Study, Study]


@pytest.fixture(scope="module")
def made(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path, list[str]]:
    """A study `whole`, and a study `a` in which the finalist that led it half-way failed in its last epoch;
    which one that is, where they are and what the second said."""
    folder, said = tmp_path_factory.mktemp("runs"), io.StringIO()
    with breakable() as broken, contextlib.redirect_stdout(said):
        assert tune(folder, faces, "whole") == 0
        whole = Study(folder / "whole")
        half = whole.curves().query("epoch == 2").groupby("trial")["best_score"].mean()
        leads = min(whole.complete_trials(), key=lambda trial: half[trial.number])
        broken[leads.config["lr"]] = (4, RuntimeError)
        said.truncate(0)
        assert tune(folder, faces, "a") == 0
    return leads.number, folder, said.getvalue().splitlines()


@pytest.fixture
def failed(made: tuple[int, Path, list[str]], tmp_path: Path) -> Failed:
    """A copy of it."""
    for name in ("whole", "a"):
        shutil.copytree(made[1] / name, tmp_path / name)
    return made[0], Study(tmp_path / "whole"), Study(tmp_path / "a")


def score(study: Study, trial: int) -> float:
    return next(item.score for item in study.complete_trials() if item.number == trial)


def test_the_end_says_what_failed_who_was_ahead_and_the_command_that_mends_it(
    made: tuple[int, Path, list[str]], failed: Failed, capsys: pytest.CaptureFixture[str]
) -> None:
    trial, whole, study = failed
    said = made[2]
    at = said.index("1 trial failed:")
    winner = study.complete_trials()[0].number
    assert said[at + 1] == f"  1 x exception: RuntimeError: disk 7 is full in epoch 4 (trial {trial})"
    assert said[at + 2].startswith("run it again: python -m orchestrator.tune --resume --study a --runs ")
    assert said[at + 3].startswith(f"note: trial {trial} failed while it was ahead of trial {winner}, 0.")
    assert said[at + 3].endswith(" after 2 epochs of 3 folds, so the best may be another")
    command = shlex.split(said[at + 2].partition(": ")[2])
    assert shlex.split(said[at + 4].partition(": ")[2]) == [*command, str(trial)]
    before = [event for event in events(study.path, "epoch_ended") if event["trial"] == trial]

    assert main([str(study.path.parent) if word == str(made[1]) else word for word in command[3:]]) == 0
    assert score(Study(study.path), trial) == score(whole, trial)
    check_consistent(study.path, folds=3, max_t=4)
    ran = Counter((e["fold"], e["epoch"]) for e in events(study.path, "epoch_ended") if e["trial"] == trial)
    assert len(ran) == 12 and max(ran.values()) == 1, "no stored epoch is run again"
    assert curves(study.path)[FoldRunKey(trial, 0)] == curves(whole.path)[FoldRunKey(trial, 0)]
    again = capsys.readouterr().out.splitlines()
    assert f"run again: failed trials {trial}, with {len(before)} stored fold-epochs" in again
    assert not any("failed:" in line or line.startswith("note:") for line in again)


def test_an_ensemble_of_the_others_says_so_too(failed: Failed, capsys: pytest.CaptureFixture[str]) -> None:
    trial, _, study = failed
    assert ensemble(["--study", str(study.path), "--repeats", "20"]) == 0
    said = capsys.readouterr().out
    assert f"\nnote: trial {trial} failed while it was ahead of trial " in said
    assert f"--resume --study a --runs {study.path.parent} --retry-failed {trial}\n" in said


@pytest.mark.parametrize("harm", ["cut", "gone", "weights"])
def test_what_is_not_intact_is_run_again_from_where_it_is(failed: Failed, harm: str) -> None:
    trial, whole, study = failed
    store = study.path / "checkpoints"
    for path in store.glob(f"t{trial:04d}-f*/{'best' if harm == 'weights' else 'resume'}*"):
        path.unlink() if harm == "gone" else path.write_bytes(path.read_bytes()[:-1])
    assert resume(study, "--retry-failed") == 0
    [event] = events(study.path, "reopened")
    assert event["epochs"] == [0, 0, 0]
    assert score(Study(study.path), trial) == score(whole, trial)


def resume(study: Study, *more: str) -> int:
    return main(["--resume", "--runs", str(study.path.parent), "--study", study.path.name, "--inline", *more])


def test_a_trial_that_did_not_fail_is_refused_and_nothing_is_written(
    failed: Failed, capsys: pytest.CaptureFixture[str]
) -> None:
    trial, _, study = failed
    before = study.files.journal.read_bytes()
    winner = study.complete_trials()[0].number
    assert resume(study, "--retry-failed", str(winner), str(trial)) == 2
    assert (
        f"error: --retry-failed {winner}: trial {winner} of study {study.path} did not fail; failed trials: "
        f"{trial}; name some of those" in capsys.readouterr().err
    )
    assert study.files.journal.read_bytes() == before


def test_without_resume_it_is_refused(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(tmp_path, faces, "new", "--retry-failed") == 2
    assert "give it with --resume" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_trial_of_a_study_without_failures_is_refused_before_the_images_are_looked_at(
    failed: Failed, capsys: pytest.CaptureFixture[str]
) -> None:
    study = failed[1]
    assert resume(study, "--retry-failed", "7") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith(
        f"error: --retry-failed 7: trial 7 of study {study.path} did not fail; failed trials: none\n"
    )


def test_where_nothing_failed_it_says_so(failed: Failed, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume(failed[1], "--retry-failed") == 0
    assert "no trial failed: --retry-failed has nothing to run again" in capsys.readouterr().out


def test_a_search_that_ends_while_it_runs_them_again_is_resumed_like_any_other(
    failed: Failed,
) -> None:
    trial, whole, study = failed

    def stop(event: object) -> None:
        if isinstance(event, EpochEnded):
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        fo.resume(study, retry_failed=[trial], backend="inline", progress=stop)
    assert any(isinstance(event, Reopened) for event in Study(study.path).events)
    again = fo.resume(study, backend="inline", progress=None)
    assert score(again, trial) == score(whole, trial)
    assert len(events(study.path, "reopened")) == 1


def test_a_fold_run_under_way_when_its_trial_failed_and_the_driver_died_goes_on_from_its_epochs(
    failed: Failed,
) -> None:
    trial, whole, study = failed
    other = _killed_with_another_fold_under_way(study, trial)
    assert resume(study, "--retry-failed") == 0
    [event] = events(study.path, "reopened")
    assert event["epochs"][other] == 2 and sorted(event["epochs"]) == [2, 2, 3]
    ran = Counter((e["fold"], e["epoch"]) for e in events(study.path, "epoch_ended") if e["trial"] == trial)
    assert len(ran) == 12 and max(ran.values()) == 1, "no stored epoch is run again"
    assert score(Study(study.path), trial) == score(whole, trial)


def _killed_with_another_fold_under_way(study: Study, trial: int) -> int:
    """Has the journal end where the trial failed, and another of its folds begin a leg shortly before, as in
    a second slot. Returns that fold."""
    lines = [json.loads(line) for line in unsealed(study.files.journal.read_text()).splitlines()]
    end = next(at for at, line in enumerate(lines) if line.get("action") == "FAIL")
    begun = max(at for at, line in enumerate(lines[:end]) if line["event"] == "leg_started")
    last = lines[begun]
    assert lines[end]["trial"] == last["trial"] == trial
    other = next(fold for fold in range(3) if fold != last["fold"])
    lines.insert(begun, {**last, "fold": other, "start": 2})
    study.files.journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines[: end + 2]))
    return other


def test_failures_are_listed_by_kind_and_a_loss_that_is_no_number_is_not_run_again(
    faces: Path, broken: Broken, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(tmp_path, faces, "whole") == 0
    capsys.readouterr()
    configs = Study(tmp_path / "whole").configs
    for trial, epoch, error in ((1, 1, RuntimeError), (4, 1, RuntimeError), (6, 1, NonFiniteError)):
        broken[configs[trial]["lr"]] = (epoch, error)
    assert tune(tmp_path, faces, "a") == 0
    said = capsys.readouterr().out.splitlines()
    at = said.index("3 trials failed:")
    assert said[at + 1 : at + 3] == [
        "  2 x exception: RuntimeError: disk 7 is full in epoch 1 (trials 1, 4)",
        "  1 x nan: NonFiniteError: disk 7 is full in epoch 1 (trial 6)",
    ]
    assert said[at + 3].startswith("run them again: ") and said[at + 3].endswith(
        " --inline --retry-failed 1 4"
    )


def test_only_what_a_failed_trial_can_go_on_from_stays(failed: Failed) -> None:
    trial, _, study = failed
    complete = {
        name for item in study.complete_trials() for best in item.bests for name in (best.weights, best.oof)
    }
    left = checkpoints(study) - complete
    assert left and all(name.startswith(f"t{trial:04d}-") for name in left)
    resumes = Counter(name.partition("/")[0] for name in left if "resume" in name)
    assert max(resumes.values()) <= 2


def test_all_failed_is_listed_too(faces: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert tune(tmp_path, faces, "a", "--set", "raise_at=1") == 1
    said = capsys.readouterr()
    assert (
        "9 trials failed:\n  9 x exception: RuntimeError: told to fail in epoch 1 (trials 0, 1," in said.out
    )
    assert "--retry-failed\n" in said.out and "ended without a complete trial" in said.err
    assert journal(tmp_path / "a")[-1]["event"] == "closed"


def test_where_a_rule_takes_no_trial_back_the_end_says_so_and_the_option_is_refused(
    faces: Path, broken: Broken, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(tmp_path, faces, "a", "--rule", "top_k", "--trials", "3", "--try", "lr=0.5") == 0
    broken[0.5] = (1, RuntimeError)
    capsys.readouterr()
    assert tune(tmp_path, faces, "b", "--rule", "top_k", "--trials", "3", "--try", "lr=0.5") == 0
    said = capsys.readouterr().out.splitlines()
    at = said.index("1 trial failed:")
    assert said[at + 2].startswith(
        "it cannot be run again in this study: this rule compares a trial once and "
    )
    assert resume(Study(tmp_path / "b"), "--retry-failed") == 2
    assert "compares a trial once and for all: begin another study" in capsys.readouterr().err


def test_after_the_budget_only_what_failed_as_a_finalist_is_run_again() -> None:
    events = [Decided("FAIL", 1, "x"), BudgetSpent("over"), Decided("FAIL", 2, "x")]
    assert why_not_again("fold_asha", events, 1).startswith(
        "the budget is spent and only its finalists go on"
    )
    assert why_not_again("fold_asha", events, 2) == "" == why_not_again("fold_asha", events[:1], 1)
    assert "begin another study" in why_not_again("pooled_asha", events, 2)
