"""Stored files whose bytes are not those that were stored count as gone; a good copy put back is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.execution import worker
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.pixel_trainable import PixelTrainable
from tests.support.helpers import curves, events, without_digests

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda data: b"",
    "short": lambda data: data[: len(data) // 2],
    "other bytes of that length": lambda data: data[:-8] + bytes(8),
    "zeros": lambda data: bytes(len(data)),
}


class KilledError(BaseException):
    """Nothing below catches it, as nothing catches a SIGKILL."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> Path:
    """Two studies of one seed: `whole`, and `cut`, whose driver was killed after 12 epochs."""
    runs = tmp_path_factory.mktemp("made")
    space = runs / "tint.py"
    space.write_text(
        "from orchestrator.space import SearchSpace, categorical, loguniform\n"
        'space = SearchSpace(trainable="tests.pixel_trainable:PixelTrainable", '
        'target=categorical("tint", ["red", "blue"]),\n'
        '    params={"lr": loguniform(1e-3, 2.0)}, folds=3, trials=9, max_t=4, grace_period=1, finalists=2)\n'
    )
    words = ["--space", str(space), "--data", str(faces), "--runs", str(runs), "--inline"]
    assert main([*words, "--study", "whole"]) == 0
    original, left = worker.FoldRunWorker.step, [12]

    def step(self: worker.FoldRunWorker) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return original(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(worker.FoldRunWorker, "step", step)
        main([*words, "--study", "cut"])
    return runs


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "runs")


def resume(runs: Path, study: str = "cut") -> int:
    return main(["--resume", "--study", study, "--runs", str(runs), "--inline"])


def states(runs: Path) -> list[Path]:
    return sorted((runs / "cut" / "checkpoints").rglob("resume-*"))


def newest(paths: list[Path]) -> list[Path]:
    return list({path.parent: path for path in paths}.values())


def check_as_whole(runs: Path) -> None:
    assert Study(runs / "cut").complete_trials() == Study(runs / "whole").complete_trials()
    assert curves(runs / "cut") == curves(runs / "whole")


@pytest.mark.parametrize(
    "damage, kept",
    [
        *((damage, "digests") for damage in DAMAGES),
        *((damage, "none, as until version 0.2") for damage in ("empty", "short", "zeros")),
    ],
)
def test_damaged_resume_states_cost_their_epochs_and_no_trial(runs: Path, damage: str, kept: str) -> None:
    if kept != "digests":
        without_digests(runs / "cut")
    for path in states(runs):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert resume(runs) == 0
    failed = events(runs / "cut", "leg_failed")
    assert failed and {event["failure"] for event in failed} == {"lost"}
    assert all("is damaged" in event["error"] or "cannot be loaded" in event["error"] for event in failed)
    if kept == "digests":
        check_as_whole(runs)
    assert [item.score for item in Study(runs / "cut").complete_trials()] == [
        item.score for item in Study(runs / "whole").complete_trials()
    ]


def test_the_state_before_a_damaged_one_is_continued_from(runs: Path) -> None:
    both = [path for path in newest(states(runs)) if len(list(path.parent.glob("resume-*"))) == 2]
    assert both
    for path in both:
        path.write_bytes(b"")
    assert resume(runs) == 0
    failed = events(runs / "cut", "leg_failed")
    assert {event["epoch"] for event in failed} == {int(path.stem[-4:]) - 1 for path in both} != {0}
    check_as_whole(runs)


def test_a_good_copy_that_is_put_back_is_used(runs: Path) -> None:
    good = {path: path.read_bytes() for path in states(runs)}
    for path in good:
        path.write_bytes(b"")
    for path, data in good.items():
        path.write_bytes(data)
    before = len(events(runs / "cut", "epoch_ended"))
    assert resume(runs) == 0
    assert not events(runs / "cut", "leg_failed")
    told = [(event["trial"], event["fold"], event["epoch"]) for event in events(runs / "cut", "epoch_ended")]
    assert len(told) == len(set(told)) > before, "no epoch was trained twice"
    check_as_whole(runs)


def test_what_a_trainable_raises_for_bytes_that_were_stored_is_its_own_failure(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_state(self: PixelTrainable, data: bytes) -> None:
        raise ValueError("a state of mine that I do not know")

    monkeypatch.setattr(PixelTrainable, "load_state", load_state)
    resume(runs)
    failed = events(runs / "cut", "leg_failed")
    assert failed and {event["failure"] for event in failed} == {"exception"}


def test_a_damaged_prediction_stops_the_study_until_it_is_put_back(runs: Path) -> None:
    study = Study(runs / "whole")
    best = study.complete_trials()[0]
    study.files.oof(best.number).unlink()
    stored = runs / "whole" / "checkpoints" / best.bests[0].oof
    good = stored.read_bytes()
    stored.write_bytes(good[:-4] + bytes(4))
    assert resume(runs, "whole") == 2
    stored.write_bytes(good)
    assert resume(runs, "whole") == 0 and study.oof(best.number)


@pytest.mark.parametrize("which", ["oof", "weights"])
def test_an_ensemble_is_not_made_of_damaged_files(
    runs: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    best = Study(runs / "whole").complete_trials()[0].bests[0]
    stored = runs / "whole" / "checkpoints" / getattr(best, which)
    good = stored.read_bytes()
    stored.write_bytes(good[:-4] + bytes(4))
    words = ["--study", str(runs / "whole"), "--out", str(runs / "out")]
    assert ensemble(words) == 2
    error = capsys.readouterr().err
    assert f"{getattr(best, which)} is damaged" in error and "restore it from a copy" in error
    assert not (runs / "out").exists()
    stored.write_bytes(good)
    assert ensemble(words) == 0


def test_the_journal_says_the_digest_of_all_that_an_epoch_stored(runs: Path) -> None:
    names = {"resume", "weights", "oof"}
    for event in events(runs / "whole", "epoch_ended"):
        assert set(event["digests"]) in ({"resume"}, names) and len(event["digests"]["resume"]) == 64
