"""Stored files whose bytes are not those that were stored count as gone; a good copy put back is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import SearchSpaceError, StudyError
from orchestrator.core.events import FoldRunKey, LegStarted
from orchestrator.core.metrics import score
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.execution import worker
from orchestrator.storage.checkpoint_files import probabilities_name
from orchestrator.study.epoch_predictions import EpochPredictions
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.pixel_trainable import PixelTrainable
from tests.support.helpers import check_kept, curves, events, journal, without_digests

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
    words = ["--space", str(space), "--data", str(faces), "--runs", str(runs), "--inline", "--no-report"]
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
    return main(["--resume", "--study", study, "--runs", str(runs), "--inline", "--no-report"])


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
    """Of the resume state where a leg ends: the epochs before it were short."""
    ends: dict[tuple[int, int], int] = {}
    for event in journal(runs / "whole"):
        if event["event"] == "leg_started":
            ends[event["trial"], event["fold"]] = event["end"]
        elif event["event"] == "epoch_ended":
            always = {"probabilities"}
            if event["epoch"] == ends[event["trial"], event["fold"]]:
                always |= {"resume"}
            assert set(event["digests"]) in (always, always | {"weights", "oof"})
            assert all(len(digest) == 64 for digest in event["digests"].values())


def kept_file(runs: Path) -> tuple[Path, tuple[int, int, int]]:
    """A file of kept predictions of the whole study, and whose they are."""
    key = EpochPredictions.open(Study(runs / "whole")).epochs()[-1]
    name = probabilities_name(FoldRunKey(*key[:2]), key[2])
    return runs / "whole" / "checkpoints" / name, key


def test_every_epochs_predictions_stay_and_score_as_the_journal_says(runs: Path) -> None:
    study = Study(runs / "whole")
    kept = EpochPredictions.open(study)
    assert len(study.complete_trials()) < len({trial for trial, _, _ in kept.epochs()})  # of losers too
    assert kept.epochs() == kept.in_journal() and kept.note == ""
    curves, again = study.curves(), study.rescored("macro_f1")
    for name in ("trial", "fold", "epoch", "score", "best_score"):
        assert again[name].tolist() == pytest.approx(curves[name].tolist()), name


def test_epochs_are_scored_by_any_metric_afterwards(runs: Path) -> None:
    study = Study(runs / "whole")
    kept, found = EpochPredictions.open(study), study.rescored("log_loss")
    for row, (key, probabilities) in zip(found.itertuples(), kept, strict=True):
        assert row[1:4] == key
        assert row.score == score("log_loss", kept.labels[kept.rows(key[1])], probabilities)
    best = found.groupby(["trial", "fold"])["score"].cummin()  # smaller is better
    assert found["best_score"].tolist() == best.tolist()
    path, key = kept_file(runs)
    path.unlink()
    fewer = Study(runs / "whole").rescored("log_loss")
    assert len(fewer) == len(found) - 1 and "1 epoch of" in fewer.attrs["note"]
    with pytest.raises(SearchSpaceError, match="is always 1 with 2 classes"):
        study.rescored("top_k_accuracy@3")
    with pytest.raises(SearchSpaceError, match="sounds_good"):
        study.rescored("sounds_good")


def test_the_best_epochs_predictions_are_those_of_the_out_of_fold_table(runs: Path) -> None:
    study = Study(runs / "whole")
    kept = EpochPredictions.open(study)
    for trial in study.complete_trials():
        table = study.oof(trial.number)
        for best in trial.bests:
            of_fold = table.folds == best.fold
            assert (table.rows[of_fold] == kept.rows(best.fold)).all()
            found = kept.probabilities(trial.number, best.fold, best.epoch)
            assert found == pytest.approx(table.probabilities[of_fold], abs=1e-3)


@pytest.mark.parametrize("damage", [*DAMAGES, "gone"])
def test_a_damaged_epoch_counts_as_not_kept_and_is_told(runs: Path, damage: str) -> None:
    path, key = kept_file(runs)
    path.unlink() if damage == "gone" else path.write_bytes(DAMAGES[damage](path.read_bytes()))
    kept = EpochPredictions.open(Study(runs / "whole"))
    assert len(list(kept)) == len(kept.in_journal()) - 1
    assert kept.missing() == [key] and kept.find(*key) is None
    trial, fold, epoch = key
    assert f"the predictions of 1 epoch of {len(kept.in_journal())} are not kept" in kept.note
    assert f"trial {trial} fold {fold} epoch {epoch}" in kept.note
    with pytest.raises(StudyError, match="missing" if damage == "gone" else "damaged"):
        kept.probabilities(*key)


def test_epochs_that_no_journal_knows_are_not_read(runs: Path) -> None:
    """A worker may store an epoch of which its driver never hears."""
    path, (trial, fold, epoch) = kept_file(runs)
    shutil.copy(path, path.with_name(f"e{epoch + 1:04d}.parquet"))
    kept = EpochPredictions.open(Study(runs / "whole"))
    assert kept.epochs() == kept.in_journal()
    with pytest.raises(StudyError, match=f"fold {fold} after epoch {epoch + 1} are not kept"):
        kept.probabilities(trial, fold, epoch + 1)


def test_epochs_that_a_retry_replaced_are_not_read(runs: Path) -> None:
    """Its files of later epochs may lie there still, with the digests of an earlier line of the journal."""
    study = Study.open(runs / "whole")
    key = next(key for key in EpochPredictions.open(study).epochs() if key[2] == 4)
    study.append(LegStarted(*key[:2], 1, 4))
    study.close()
    kept = EpochPredictions.open(Study(runs / "whole"))
    assert [epoch for *run, epoch in kept.epochs() if run == [*key[:2]]] == [1]
    assert kept.epochs() == kept.in_journal() and kept.find(*key) is None


def test_a_study_of_an_earlier_version_keeps_none_and_says_so(runs: Path) -> None:
    without_digests(runs / "whole")
    with pytest.raises(StudyError, match=r"keeps no epoch's predictions, as studies that version 0\.3"):
        EpochPredictions.open(Study(runs / "whole"))


def test_after_a_kill_and_a_resume_every_epoch_has_its_predictions(runs: Path) -> None:
    assert resume(runs) == 0
    check_kept(runs / "cut")
    both = [dict(EpochPredictions.open(Study(runs / name))) for name in ("whole", "cut")]
    assert both[0].keys() == both[1].keys()
    assert all((both[0][key] == both[1][key]).all() for key in both[0])


def test_losers_predictions_go_where_complete_ones_alone_are_kept(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--space", str(space_file), "--data", str(faces), "--runs", str(tmp_path), "--study", "few"]
    assert main([*words, "--inline", "--no-report", "--keep-oof", "complete"]) == 0
    assert "no estimate over the whole race" in capsys.readouterr().out
    study = Study(tmp_path / "few")
    complete = {trial.number for trial in study.complete_trials()}
    kept = EpochPredictions.open(study)
    assert {trial for trial, _, _ in kept.epochs()} == complete < set(study.configs)
    assert {key[0] for key in kept.missing()} == set(study.configs) - complete
    assert {name.split("/")[1][:5] for name in study.store().names("probabilities/")} == {
        f"t{trial:04d}" for trial in complete
    }
    assert [key for key, _ in kept] == kept.epochs()
    assert main([*words, "--inline", "--no-report", "--keep-oof", "some"]) == 2
    assert "study" in capsys.readouterr().err
    assert main([*words[:-1], "other", "--inline", "--no-report", "--keep-oof", "some"]) == 2
    assert "--keep-oof some: use all or complete" in capsys.readouterr().err
    assert main(["--resume", "--study", "few", "--runs", str(tmp_path), "--keep-oof", "all"]) == 2
    assert "--keep-oof cannot change study" in capsys.readouterr().err
