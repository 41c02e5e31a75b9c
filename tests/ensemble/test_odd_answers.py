"""The command on stored answers that say little or are damaged: each has an answer in a line or two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from orchestrator.core.arrays import Probabilities
from orchestrator.ensemble.__main__ import main
from orchestrator.study.study import Study
from tests.support.drawn_study import draw_study
from tests.support.drawn_world import DrawnWorld
from tests.support.ensemble_command import record
from tests.support.helpers import unsealed, without_digests

Said = pytest.CaptureFixture[str]


def run(runs: Path, *more: str, study: str = "a") -> int:
    return main(
        [
            "--runs",
            str(runs),
            "--study",
            study,
            "--out",
            str(runs / "e"),
            "--repeats",
            "3",
            "--no-report",
            *more,
        ]
    )


def lines(capsys: Said) -> list[str]:
    return capsys.readouterr().out.splitlines()


def sure_of_the_first(size: int, classes: int) -> Probabilities:
    return np.eye(classes, dtype=np.float32)[np.zeros(size, int)]


def of_no_class(size: int, classes: int) -> Probabilities:
    return np.full((size, classes), 1 / classes, np.float32)


@pytest.mark.parametrize(
    ("constant", "metric", "score"),
    [
        (sure_of_the_first, "macro_f1", "0.1667"),
        (sure_of_the_first, "mcc", "0.0000"),
        (of_no_class, "macro_f1", "0.1667"),
        (of_no_class, "roc_auc", "0.5000"),
    ],
)
def test_of_constant_answers_one_trial_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, constant: Any, metric: str, score: str
) -> None:
    monkeypatch.setattr(DrawnWorld, "answer", lambda world, *rest: constant(len(rest[-1]), world.classes))
    draw_study(tmp_path / "a", trials=4, metric=metric)
    assert run(tmp_path) == 0
    said = lines(capsys)
    answer = next(line for line in said if line.startswith("answer: "))
    assert answer.startswith("answer: trial 0 alone") and "class offsets" not in answer
    assert any(line.startswith(f"  {metric} to expect of new images: {score}") for line in said)
    assert "  no vote of several gains enough over trial 0 alone (why: below)" in said
    assert any(f"+0.0000 {metric} against trial 0 on rows not fitted to" in line for line in said)
    assert {f"{item['score']:.4f}" for item in record(tmp_path / "e")["estimates"][:2]} == {score}


def test_why_offsets_that_seem_to_gain_were_not_taken_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setattr(DrawnWorld, "answer", lambda world, *rest: of_no_class(len(rest[-1]), world.classes))
    draw_study(tmp_path / "a", trials=4)
    assert run(tmp_path) == 0
    decisions = record(tmp_path / "e")["choice"]["steps"][-1]
    offsets = decisions["considered"][1]
    assert offsets["gain"] > offsets["se"] and not offsets["accepted"]
    said = lines(capsys)
    at = said.index("decisions: most probable class")
    assert " ".join(" ".join(said[at + 1 : at + 3]).split()).startswith(f"class offsets: {offsets['reason']}")


def test_of_trials_that_answer_alike_the_first_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    own = DrawnWorld.answer

    def alike(
        world: DrawnWorld, config: Mapping[str, Any], trial: int, fold: int, epoch: int, rows: Any
    ) -> Any:
        return own(world, {**config, "lr": 0.003}, 0, fold, epoch, rows)

    monkeypatch.setattr(DrawnWorld, "answer", alike)
    draw_study(tmp_path / "a", trials=4)
    assert run(tmp_path) == 0
    said = lines(capsys)
    assert any(line.startswith("answer: trial 0 alone") for line in said)
    assert "  greedy vote: it is trial 0 alone" in said


def test_few_groups_are_told_not_to_tell_an_error(tmp_path: Path, capsys: Said) -> None:
    draw_study(tmp_path / "a", trials=4, folds=2, rows=24, rows_per_group=6, classes=2)
    assert run(tmp_path) == 0
    said = lines(capsys)
    assert any(line.startswith("answer: trial ") and "alone" in line for line in said)
    assert (
        sum("4 groups cannot tell its error, 5 can" in line for line in said) == 3
    )  # vote and both steps after
    assert any("Intervals are over 4 groups" in line for line in said)


def test_a_stored_answer_that_is_no_number_is_refused_with_its_trial(tmp_path: Path, capsys: Said) -> None:
    draw_study(tmp_path / "a", trials=4)
    without_digests(tmp_path / "a")  # with them the file is damaged before anyone looks at its numbers
    study = Study(tmp_path / "a")
    trial = study.complete_trials()[0]
    tensors = load(study.store().get(trial.bests[1].oof))
    tensors["probabilities"][5, 0] = np.nan
    study.store().put(trial.bests[1].oof, save(tensors))
    assert run(tmp_path) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) <= 2 and f"trial {trial.number}" in error[-1] and "fold predictions" in error[-1]
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("keep_oof", ["all", "complete"])
def test_what_is_lost_with_the_predictions_of_dropped_trials_is_said(
    tmp_path: Path, capsys: Said, keep_oof: str
) -> None:
    path = draw_study(tmp_path / "a", trials=6)
    first, *rest = unsealed((path / "journal.jsonl").read_text()).splitlines()
    opened = json.loads(first)
    opened["header"]["keep_oof"] = keep_oof
    (path / "journal.jsonl").write_text("".join(f"{line}\n" for line in (json.dumps(opened), *rest)))
    study = Study(path)
    complete = {f"t{trial.number:04d}" for trial in study.complete_trials()}
    names = study.store().names("probabilities/")
    study.store().delete_many([name for name in names if name.split("/")[1][:5] not in complete])
    assert run(tmp_path) == 0
    said = lines(capsys)
    assert "BBC macro_f1, whole race: none" in said
    whole = " ".join(" ".join(said).split())
    assert ("was begun with --keep-oof complete, so what dropped trials predicted is gone" in whole) == (
        keep_oof == "complete"
    )
    assert ("epochs are missing, so its race cannot be run again; restore them" in whole) == (
        keep_oof == "all"
    )
