"""P(mask) P(gender) P(age | gender): the arithmetic, which studies belong together, real studies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core import metrics
from orchestrator.core.errors import EnsembleError, FoldPlanError, ManifestError
from orchestrator.data.extra_rows import train_digest
from orchestrator.data.manifest import load_manifest
from orchestrator.data.targets import Given, Joint, Target, age_bins, categorical, joint
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.composing import Options
from orchestrator.ensemble.members import EnsembleInputs, gather
from orchestrator.ensemble.pooling import pools_of
from orchestrator.ensemble.scoring import score_parts
from orchestrator.ensemble_record.chain_rule import Term, combine, formula, resolve_terms, uncovered_images
from orchestrator.evaluation.bbc_cv import bbc_cv
from orchestrator.evaluation.fold_scores import fold_scores
from orchestrator.evaluation.voted import Candidates
from orchestrator.evaluation.voting import soft_vote
from orchestrator.space import SearchSpace
from orchestrator.space.condition import check_condition, condition_mask
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from tests.pixel_trainable import PixelTrainable
from tests.support.ensemble_command import UNIFORM
from tests.support.ensemble_studies import BOTH, SHADE, TINT, Plan, make_faces, make_study
from tests.support.journals import unsealed

MASK = categorical("mask", ["worn", "wrong", "none"])
GENDER = categorical("gender", ["male", "female"])
AGE = age_bins([30, 60])
LABEL = joint(MASK, GENDER, AGE)
MALE, FEMALE = (GENDER, "male"), (GENDER, "female")
CASCADE = [Term(MASK), Term(GENDER), Term(AGE, MALE), Term(AGE, FEMALE)]


def votes(terms: Sequence[Term], rows: int = 5, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.ones(len(term.target.classes)), size=rows).astype(np.float32) for term in terms]


# ---- the arithmetic -------------------------------------------------------------------------------


def test_the_joint_is_the_chain_rule_written_out() -> None:
    mask, gender, male, female = given = votes(CASCADE)
    found = combine(LABEL, CASCADE, given)
    assert found.shape == (5, 18) and found.dtype == np.float32
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
    for n, m, g, a in np.ndindex(5, 3, 2, 3):
        expected = mask[n, m] * gender[n, g] * (male, female)[g][n, a]
        assert found[n, m * 6 + g * 3 + a] == pytest.approx(expected, abs=1e-7)
    ignoring = LABEL.combine([mask, gender, (male + female) / 2])
    assert np.abs(found - ignoring).max() > 0.01


def test_a_part_may_depend_on_a_later_one_and_on_a_part_that_itself_depends() -> None:
    backwards = [Term(MASK), *(Term(GENDER, (AGE, name)) for name in AGE.classes), Term(AGE)]
    mask, young, middle, old, age = given = votes(backwards)
    found = combine(LABEL, backwards, given)
    for n, m, g, a in np.ndindex(5, 3, 2, 3):
        expected = mask[n, m] * (young, middle, old)[a][n, g] * age[n, a]
        assert found[n, m * 6 + g * 3 + a] == pytest.approx(expected, abs=1e-7)
    chain = [Term(MASK), *(Term(GENDER, (MASK, name)) for name in MASK.classes), *CASCADE[2:]]
    mask, worn, wrong, none, male, female = given = votes(chain)
    assert resolve_terms(chain, LABEL) == (LABEL, [0, 1, 2, 3, 4, 5])
    found = combine(LABEL, chain, given)
    for n, m, g, a in np.ndindex(5, 3, 2, 3):
        expected = mask[n, m] * (worn, wrong, none)[m][n, g] * (male, female)[g][n, a]
        assert found[n, m * 6 + g * 3 + a] == pytest.approx(expected, abs=1e-7)


def test_without_a_joint_the_condition_is_summed_out() -> None:
    gender, male, female = given = votes(CASCADE[1:])
    found = combine(AGE, CASCADE[1:], given)
    expected = gender[:, :1] * male + gender[:, 1:] * female
    assert np.allclose(found, expected, atol=1e-7) and np.allclose(found.sum(axis=1), 1, atol=1e-6)
    pair = joint(GENDER, AGE)
    summed = combine(pair, CASCADE[1:], given).reshape(5, 2, 3).sum(axis=1)
    assert np.allclose(found, summed, atol=1e-6)


def test_without_a_condition_it_is_the_plain_product() -> None:
    plain = [Term(MASK), Term(GENDER), Term(AGE)]
    given = votes(plain)
    assert np.array_equal(combine(LABEL, plain, given), LABEL.combine(given).astype(np.float32))
    assert np.array_equal(combine(AGE, [Term(AGE, MALE)], given[2:]), given[2])


def test_the_rule_reads_as_in_a_textbook() -> None:
    assert formula(LABEL, CASCADE) == "P(mask, gender, age) = P(mask) P(gender) P(age | gender)"
    assert formula(AGE, CASCADE[1:]) == "P(age) = sum over gender of P(gender) P(age | gender)"
    assert formula(AGE, [Term(AGE, FEMALE)]) == "P(age | gender=female)"


# ---- which studies belong together ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "label", "target", "order"),
    [
        ([3, 2, 1, 0], LABEL, LABEL, [3, 2, 1, 0]),
        ([2, 0, 3, 1], LABEL, LABEL, [1, 3, 0, 2]),
        ([3, 1, 2], LABEL, AGE, [1, 2, 0]),
        ([3, 1, 2], None, AGE, [1, 2, 0]),
        ([3, 1, 2], joint(GENDER, AGE), joint(GENDER, AGE), [1, 2, 0]),
    ],
)
def test_studies_come_in_any_order_and_say_by_what_is_there_what_they_predict(
    given: list[int], label: Joint | None, target: Target, order: list[int]
) -> None:
    assert resolve_terms([CASCADE[index] for index in given], label) == (target, order)


@pytest.mark.parametrize(
    ("terms", "label", "words"),
    [
        ([Term(MASK), Term(GENDER), Term(AGE, MALE)], LABEL, "age lack one given gender=female"),
        ([Term(GENDER), Term(AGE, FEMALE)], None, "age lack one given gender=male"),
        ([*CASCADE, Term(AGE, source="plain")], LABEL, "plain .age.*different conditions"),
        ([*CASCADE, Term(AGE, (MASK, "worn"), "w")], LABEL, "w .age given mask=worn.*different conditions"),
        ([*CASCADE, Term(AGE, MALE, "again")], LABEL, "again both have the target 'age' given gender=male"),
        (CASCADE[2:], None, "a study of gender is missing"),
        (CASCADE[2:], LABEL, "lacks a study of mask, gender"),
        ([CASCADE[0], *CASCADE[2:]], LABEL, "lacks a study of gender"),
        (CASCADE, None, "says no joint target"),
        (
            [Term(MASK), *(Term(GENDER, (AGE, name)) for name in AGE.classes), *CASCADE[2:]],
            LABEL,
            "gender given age given gender: a condition in a circle",
        ),
    ],
)
def test_studies_that_make_up_no_cascade_are_refused_by_name(
    terms: list[Term], label: Joint | None, words: str
) -> None:
    with pytest.raises(EnsembleError, match=words):
        resolve_terms(terms, label)


# ---- rows -----------------------------------------------------------------------------------------


def space_given(given: Given | None) -> SearchSpace:
    return SearchSpace("a:B", AGE, {"lr": 0.1}, given=given)


def test_a_study_with_a_condition_sees_the_rows_where_it_holds() -> None:
    frame = pd.DataFrame({"gender": ["male", "female", "female", "male"], "age": [20, 40, 70, 50]})
    within = condition_mask(space_given(FEMALE), frame)
    assert within is not None and within.tolist() == [False, True, True, False]
    assert condition_mask(space_given(None), frame) is None
    with pytest.raises(ManifestError, match="'gender'"):
        condition_mask(space_given(FEMALE), frame.drop(columns="gender"))
    check_condition(space_given(FEMALE), within, np.array([0, 0, 1, 1], np.int16))
    with pytest.raises(FoldPlanError, match="given gender=female: no row of fold 1"):
        check_condition(space_given(FEMALE), within, np.array([1, 0, 0, -1], np.int16))


# ---- an honest choice -----------------------------------------------------------------------------


def test_trials_are_chosen_by_their_score_on_the_rows_they_are_of() -> None:
    labels, groups = np.tile([0, 1], 60), np.arange(120) // 2
    folds, within = (groups % 3).astype(np.int16), groups % 2 == 0
    right, wrong = np.eye(2, dtype=np.float32)[labels], np.eye(2, dtype=np.float32)[1 - labels]
    inside = np.where(within[:, None], right, wrong)  # right where it is asked, hopeless elsewhere
    outside = np.where(within[:, None], wrong, right)

    def corrected(rows: np.ndarray | None, first: np.ndarray, second: np.ndarray) -> float:
        part = Candidates([first, second], labels, folds, 1, "accuracy", "max", rows)
        rng = np.random.default_rng(0)
        estimate = bbc_cv([part], labels, groups, "accuracy", soft_vote, lambda kept: inside_only(kept), rng)
        return estimate.score

    def inside_only(kept: Sequence[np.ndarray]) -> np.ndarray:
        """What is judged: right on every row where the chosen one was the inside expert."""
        return right if np.array_equal(kept[0], inside) else wrong

    assert corrected(within, inside, outside) == corrected(within, outside, inside) == 1.0
    assert corrected(~within, inside, outside) == 0.0
    assert 0.0 < corrected(None, inside, outside) < 1.0


# ---- studies on disk ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """runs/ with studies of a joint label: tint, shade, and shade given each tint."""
    runs = tmp_path_factory.mktemp("runs")
    plan = Plan(target=SHADE, joint=True, lrs=(1.0, 0.3, 0.5), epochs=6)
    make_study(runs / "shade", data, plan)
    make_study(runs / "tint", data, replace(plan, target=TINT))
    for name in TINT.classes:
        make_study(runs / f"shade-{name}", data, replace(plan, given=(TINT, name)))
    return runs


def leave_the_joint(study: Path) -> None:
    first, *others = unsealed((study / "journal.jsonl").read_text()).splitlines(keepends=True)
    opened = json.loads(first)
    opened["header"]["space"]["joint"] = None
    (study / "journal.jsonl").write_text("".join([json.dumps(opened) + "\n", *others]))


@pytest.fixture
def runs(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def images(data: Path) -> list[str]:
    return [str(data.parent / path) for path in load_manifest(data).frame["path"]]


def build(runs: Path, *studies: str) -> Path:
    assert main(["--runs", str(runs), "--study", *studies, "--out", str(runs / "e"), *UNIFORM]) == 0
    return runs / "e"


def by_fold_models(study: Path, paths: Sequence[str], classes: int) -> np.ndarray:
    """The members' mean of their fold models' mean, by hand from the study's checkpoints."""
    read = Study(study)
    store = read.store()
    answers = [
        [
            PixelTrainable.load_predictor(store.get(best.weights), trial.config, classes).predict(paths)
            for best in trial.bests
        ]
        for trial in read.complete_trials()[:2]
    ]
    return np.asarray(np.mean(answers, axis=(0, 1)))


def oof_of(parts: EnsembleInputs) -> list[np.ndarray]:
    return [np.mean([item.probabilities for _, item in part.members], axis=0) for part in parts.studies]


def test_the_command_multiplies_each_row_by_its_conditional_studies(runs: Path, data: Path) -> None:
    folder = build(runs, "shade-blue", "tint", "shade-red")
    paths = images(data)
    tint, red, blue = (
        by_fold_models(runs / name, paths, size)
        for name, size in (("tint", 2), ("shade-red", 3), ("shade-blue", 3))
    )
    by_hand = np.array([[*(t[0] * r), *(t[1] * b)] for t, r, b in zip(tint, red, blue, strict=True)])
    shutil.rmtree(runs / "tint")  # the folder stands alone
    ensemble = Ensemble.load(folder)
    found = ensemble.predict(paths)
    assert ensemble.classes == BOTH.classes
    assert [part.given for part in ensemble.components] == [None, (TINT, "red"), (TINT, "blue")]
    assert np.allclose(found, by_hand, atol=1e-5)
    swapped = np.array([[*(t[0] * b), *(t[1] * r)] for t, r, b in zip(tint, red, blue, strict=True)])
    unconditional = BOTH.combine([tint, by_fold_models(runs / "shade", paths, 3)])
    assert np.abs(found - swapped).max() > 1e-2
    assert np.abs(found - unconditional).max() > 1e-2


def test_out_of_fold_rows_are_the_product_too_and_scored_on_all_rows(runs: Path) -> None:
    folder = build(runs, "tint", "shade-red", "shade-blue")
    oof, classes = read_prediction(folder / "oof.parquet")
    parts = gather([runs / "shade-blue", runs / "shade-red", runs / "tint"], None)
    tint, red, blue = oof_of(parts)
    by_hand = np.hstack([tint[:, :1] * red, tint[:, 1:] * blue])
    assert classes == BOTH.classes and len(oof.rows) == 72
    assert np.allclose(oof.probabilities, by_hand, atol=1e-6)
    assert np.array_equal(oof.labels, BOTH.encode(parts.manifest.frame))
    written = json.loads((folder / "ensemble.json").read_text())["estimates"][0]
    assert written["score"] == pytest.approx(metrics.score("macro_f1", oof.labels, by_hand))


def test_members_are_scored_on_the_rows_where_their_condition_holds(runs: Path) -> None:
    parts = gather([runs / "tint", runs / "shade-red", runs / "shade-blue"], None)
    scores = score_parts(parts, Options("soft", "none", "none"), np.random.default_rng(0), repeats=10)
    for part, scored in zip(parts.studies, scores.terms[0], strict=True):
        found = {item.number: item.folds for item in scored.members}
        for number, trial in enumerate(part.trials[: part.top]):
            stored = {best.fold: best.score for best in trial.bests}
            assert found[number].scores == pytest.approx(stored)
    red = parts.studies[1]
    assert red.condition_mask is not None and red.rows_scored == 36
    everywhere = [
        fold_scores(item.labels, item.probabilities, item.folds, "macro_f1") for _, item in red.members
    ]
    assert [item.folds for item in scores.terms[0][1].members] != everywhere


def test_a_studys_trials_are_chosen_on_its_own_rows(runs: Path) -> None:
    parts = gather([runs / "tint", runs / "shade-red", runs / "shade-blue"], None)
    (route,) = pools_of(parts).routes
    tint, red, blue = (item.pool.mask for item in route.terms)
    is_red = TINT.encode(parts.manifest.frame.iloc[parts.rows]) == 0
    assert tint is None and red is not None and blue is not None
    assert np.array_equal(red, is_red) and np.array_equal(blue, ~is_red)


def test_without_a_joint_the_conditional_target_is_predicted_over_all_rows(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("tint", "shade-red", "shade-blue")
    for name in names:
        leave_the_joint(runs / name)
    folder = build(runs, "shade-red", "tint", "shade-blue")
    said = capsys.readouterr().out
    assert "predicts: P(shade) = sum over tint of P(tint) P(shade | tint)" in said
    assert "shade given tint=red" in said and "36 rows" in said
    ensemble, paths = Ensemble.load(folder), images(data)
    tint, red, blue = (
        by_fold_models(runs / name, paths, size) for name, size in zip(names, (2, 3, 3), strict=True)
    )
    assert ensemble.target == SHADE
    assert np.allclose(ensemble.predict(paths), tint[:, :1] * red + tint[:, 1:] * blue, atol=1e-5)
    oof, _ = read_prediction(folder / "oof.parquet")
    assert len(oof.rows) == 72 and np.array_equal(oof.labels, SHADE.encode(load_manifest(data).frame))


def test_a_conditional_study_trains_on_no_other_row_and_answers_for_all(tmp_path: Path, data: Path) -> None:
    heart = Plan(target=SHADE, trainable="tests.support.memoriser:Memoriser", lrs=(0.5,), epochs=1)
    make_study(tmp_path / "m", data, replace(heart, given=(TINT, "red")))
    folder = build(tmp_path, "m")
    answers = Ensemble.load(folder).predict(images(data))
    red = TINT.encode(load_manifest(data).frame) == 0
    assert (answers[red].max(axis=1) > 0.5).all()
    assert np.allclose(answers[~red], 1 / 3)


def test_a_conditional_study_alone_is_scored_where_its_condition_holds(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(runs, "shade-red")
    said = capsys.readouterr().out
    assert "predicts: P(shade | tint=red)" in said and "All 36 rows with tint=red" in said
    oof, _ = read_prediction(folder / "oof.parquet")
    red = np.flatnonzero(TINT.encode(load_manifest(data).frame) == 0)
    assert oof.rows.tolist() == red.tolist()
    estimates = json.loads((folder / "ensemble.json").read_text())["estimates"]
    assert estimates[0]["key"] == "naive" and estimates[0]["n_groups"] == 18
    assert Ensemble.load(folder).predict(images(data)).shape == (72, 3)


def test_one_alone_says_of_whom_it_says_nothing(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(runs, "shade-red")
    note = "note: P(shade | tint=red) says nothing of images without tint=red; for all images build the"
    said = capsys.readouterr().out
    assert note in said and said.index(note) < said.index("next: ")
    assert main(["--ensemble", str(folder), "--predict", str(data)]) == 0
    assert note in capsys.readouterr().out
    assert uncovered_images(AGE, [Term(AGE)]) is None and uncovered_images(LABEL, CASCADE) is None


def test_a_folder_carries_the_folds_of_all_train_rows_and_the_images_it_was_told_the_label_of(
    runs: Path, data: Path
) -> None:
    folder = build(runs, "shade-red")
    plan, frame = Study(runs / "shade-red").fold_plan(), load_manifest(data).frame
    record = json.loads((folder / "ensemble.json").read_text())
    assert record["train_digest"] == train_digest(frame["path"], plan.folds)
    told = pd.read_parquet(folder / "trained_on.parquet")
    assert told["path"].tolist() == frame["path"][frame["tint"] == "red"].tolist()


def test_a_missing_condition_is_named_by_the_command(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", str(runs), "--study", "tint", "shade-red"]) == 2
    assert "the studies of shade lack one given tint=blue" in capsys.readouterr().err
    assert main(["--runs", str(runs), "--study", "tint", "shade", "shade-red", "shade-blue"]) == 2
    assert "different conditions" in capsys.readouterr().err


def test_a_folder_whose_conditions_were_mixed_up_is_refused(runs: Path) -> None:
    folder = build(runs, "tint", "shade-red", "shade-blue")
    path = folder / "ensemble.json"
    record = json.loads(path.read_text())
    terms = record["routes"][0]["terms"]
    assert terms[0]["given"] is None
    terms[1]["given"], terms[2]["given"] = terms[2]["given"], terms[1]["given"]
    del record["digest"]
    path.write_text(json.dumps(record))
    with pytest.raises(EnsembleError, match="do not make up the target"):
        Ensemble.load(folder)
