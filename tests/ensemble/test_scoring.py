"""An ensemble's scores are those of rows that no model of theirs was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core import metrics
from orchestrator.data.manifest import load_manifest
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.composing import Options
from orchestrator.ensemble.members import Route, TermStudies, gather
from orchestrator.ensemble.racing import races_of
from orchestrator.ensemble.scoring import score_parts
from orchestrator.evaluation.judged import Races
from orchestrator.race.config import REPLAYED
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import CandidateTrial, Study
from tests.pixel_trainable import PixelTrainable
from tests.support.ensemble_command import MEMORISER, build, build_joint, images, record
from tests.support.ensemble_studies import BOTH, SHADE, TINT, Plan, make_study
from tests.support.helpers import without_digests


def test_a_row_is_predicted_only_by_models_that_trained_on_none_of_its_person(runs: Path, data: Path) -> None:
    folder = build(runs)
    oof, _ = read_prediction(folder / "oof.parquet")
    frame, ensemble = load_manifest(data).frame, Ensemble.load(folder)
    plan = Study(runs / "both").fold_plan()
    assert oof.rows.tolist() == list(range(len(frame)))
    for fold in range(3):
        held_out = plan.folds == fold
        assert not set(frame["group"][held_out]) & set(frame["group"][~held_out])
        answers = []
        for member in ensemble.components[0].members:
            (model,) = [model for model in member.models if model.fold == fold]
            predictor = PixelTrainable.load_predictor((folder / model.weights).read_bytes(), member.config, 6)
            answers.append(predictor.predict(np.array(images(data))[held_out].tolist()))
        assert np.allclose(oof.probabilities[held_out], np.mean(answers, axis=0), atol=1e-6)


def test_knowing_the_training_rows_by_heart_is_worth_nothing_out_of_fold(tmp_path: Path, data: Path) -> None:
    make_study(tmp_path / "m", data, Plan(trainable=MEMORISER, lrs=(0.5,), epochs=1))
    folder = build(tmp_path, study="m")
    oof, _ = read_prediction(folder / "oof.parquet")
    assert np.allclose(oof.probabilities, 1 / 6)
    predicted = Ensemble.load(folder).predict(images(data))
    assert metrics.score("accuracy", oof.labels, predicted) == 1.0


@pytest.mark.parametrize("version", REPLAYED)
def test_a_race_is_run_again_by_the_version_of_its_journal(runs: Path, version: int) -> None:
    inputs = gather([runs / "both"], None)
    (study,) = inputs.studies
    study.study.header = replace(study.study.header, rule_version=version)
    races = races_of(inputs, Options())
    assert isinstance(races, Races) and races.studies[0].race.cfg.rule_version == version


def test_a_race_is_run_again_with_the_studys_own_choice_of_epochs(runs: Path) -> None:
    inputs = gather([runs / "both"], None)
    (study,) = inputs.studies
    for choice, refines in (("best", False), ("refine", True)):
        study.study.header = replace(study.study.header, epoch_choice=choice)
        races = races_of(inputs, Options())
        assert isinstance(races, Races) and races.studies[0].refines == refines


def test_the_estimate_of_the_whole_race_says_which_members_no_replay_knows(runs: Path) -> None:
    inputs = gather([runs / "both"], None)
    (study,) = inputs.studies
    words = []
    for first in (study.trials[0], CandidateTrial(**vars(study.trials[0]))):
        own = replace(study, trials=(first, *study.trials[1:]))
        route = Route((TermStudies((own,)),))
        scores = score_parts(replace(inputs, routes=(route,)), Options(), np.random.default_rng(0))
        words.append(scores.estimates["bbc_race"].meaning)
    assert words[1] == (
        f"{words[0]} Not corrected: 1 trial of fewer epochs may vote too, and no replay has such ones."
    )


def test_the_scores_written_are_those_of_the_out_of_fold_rows(runs: Path) -> None:
    folder = build(runs)
    oof, classes = read_prediction(folder / "oof.parquet")
    written = record(folder)
    estimates = {item["key"]: item for item in written["estimates"]}
    judged = written["metrics"][written["metric"]]
    assert classes == BOTH.classes
    by_fold = [
        metrics.score("macro_f1", oof.labels[oof.folds == fold], oof.probabilities[oof.folds == fold])
        for fold in range(3)
    ]
    assert list(judged["folds"].values()) == pytest.approx(by_fold)
    assert judged["mean"] == pytest.approx(np.mean(by_fold))
    assert judged["sd"] == pytest.approx(np.std(by_fold, ddof=1))
    naive = estimates["naive"]
    assert naive["score"] == pytest.approx(metrics.score("macro_f1", oof.labels, oof.probabilities))
    assert naive["low"] < naive["score"] < naive["high"]
    assert naive["n_groups"] == 36
    assert estimates["bbc"]["low"] < estimates["bbc"]["score"] < estimates["bbc"]["high"]


def test_every_metric_that_applies_is_written_and_printed_with_the_chosen_one_first(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(runs)
    written, said = Ensemble.load(folder).metrics, capsys.readouterr().out
    told = [line for line in said.splitlines() if line.startswith("  ")]
    assert told and all(line == line.rstrip() and len(line) <= 120 for line in told)
    assert [*written] == list(dict.fromkeys(["macro_f1", *metrics.applicable(BOTH.task)]))
    oof, _ = read_prediction(folder / "oof.parquet")
    for name, found in written.items():
        assert found["oof"] == pytest.approx(metrics.score(name, oof.labels, oof.probabilities))
        assert found["mean"] == pytest.approx(np.mean(list(found["folds"].values())))
        better = {"max": "larger", "min": "smaller"}[metrics.METRICS[name].mode]
        row = next(line for line in said.splitlines() if line.startswith(f"│ {name} "))
        assert [cell.strip() for cell in row.strip("│").split("│")] == [
            name, better, f"{found['oof']:.4f}", f"{found['mean']:.4f}", f"{found['sd']:.4f}",
        ]  # fmt: skip


def test_a_row_in_the_wrong_fold_stops_the_ensemble(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(runs / "both")
    first, second = study.complete_trials()[0].bests[:2]
    store = study.store()
    store.put(first.oof, store.get(second.oof))
    without_digests(runs / "both")  # with them the file is damaged before anyone looks at its rows
    assert main(["--runs", str(runs), "--study", "both"]) == 2
    assert "belongs to fold" in capsys.readouterr().err


def test_a_joint_out_of_fold_row_is_the_product_of_the_parts_out_of_fold_rows(runs: Path) -> None:
    oof, classes = read_prediction(build_joint(runs) / "oof.parquet")
    parts = gather([runs / "tint", runs / "shade"], None)
    means = [
        np.mean([prediction.probabilities for _, prediction in part.members], axis=0)
        for part in parts.studies
    ]
    by_hand = np.einsum("ni,nj->nij", *means).reshape(len(oof.rows), 6)
    assert np.allclose(oof.probabilities, by_hand, atol=1e-6)
    assert classes == BOTH.classes
    frame = parts.manifest.frame
    expected = TINT.encode(frame) * 3 + SHADE.encode(frame)
    assert np.array_equal(oof.labels, expected)
