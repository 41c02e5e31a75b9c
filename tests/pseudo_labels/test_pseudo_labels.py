"""Pseudo labels: each fold's come from the models that never saw its validation rows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.core.trainable import load_trainable
from orchestrator.data.extra_rows import load_extra, train_digest
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.targets import Target, age_bins, categorical, joint, one_hot
from orchestrator.data.targets.changes import Changes
from orchestrator.ensemble import __main__ as ensemble_command
from orchestrator.ensemble.folder import Ensemble
from orchestrator.inputs.dataset import make_dataset
from orchestrator.pseudo_labels import __main__ as pseudo_labels
from orchestrator.pseudo_labels import labelling
from orchestrator.pseudo_labels.labelling import fold_ensemble, label_manifest, representatives
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.ensemble_studies import BOTH, SHADE, TINT, Plan, draw, make_eval, make_faces, make_study
from tests.support.format_1 import to_format_1

SPACE = '''"""Tints, in folds that the table gives, so that a changed label changes no fold."""
from orchestrator.space import SearchSpace, categorical

space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("tint", ["red", "blue"]), params={"lr": 0.5}, fold_column="fold",
    folds=3, trials=1, max_t=1, grace_period=1, finalists=1,
)
'''


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_eval(tmp_path_factory.mktemp("new"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ensemble of one study of the joint label."""
    root = tmp_path_factory.mktemp("whole")
    return combined(root, [make_study(root / "both", data, Plan())])


def combined(root: Path, studies: list[Path], vote: str = "soft") -> Path:
    out = root / "ensemble"
    words = ["--study", *map(str, studies), "--vote", vote, "--out", str(out)]
    assert ensemble_command.main(words) == 0
    return out


def labels_of(folder: Path, source: Path, threshold: float = 0.01) -> pd.DataFrame:
    return label_manifest(Ensemble.load(folder), load_manifest(source), threshold).frame


# ---- which model labels for which fold --------------------------------------------------------------


def expected(folder: Path, paths: list[str], fold: int) -> np.ndarray:
    """The mean over members of the probabilities of their models of one fold, (n, C)."""
    ensemble = Ensemble.load(folder)
    (part,) = ensemble.components
    found = []
    for member in part.members:
        (model,) = [model for model in member.models if model.fold == fold]
        predictor = load_trainable(member.trainable).load_predictor(
            (folder / model.weights).read_bytes(), member.config, len(ensemble.classes)
        )
        found.append(predictor.predict(paths))
    return np.mean(found, axis=0)


def test_each_folds_labels_are_the_mean_vote_of_its_own_models(whole: Path, unlabelled: Path) -> None:
    rows, frame = load_manifest(unlabelled), labels_of(whole, unlabelled)
    paths = [str(rows.root / path) for path in rows.frame["path"]]
    assert len(frame) == 21 and set(frame["role"]) == {"extra"}
    for fold in range(3):
        probabilities = expected(whole, paths, fold)
        mine = frame[frame["only_fold"] == fold]
        assert mine["path"].tolist() == rows.frame["path"].tolist()
        assert BOTH.encode(mine).tolist() == probabilities.argmax(axis=1).tolist()
        assert mine["confidence"].to_numpy() == pytest.approx(probabilities.max(axis=1), abs=1e-6)
    assert frame["confidence"].nunique() > 7, "the folds' models are not one and the same"


def test_studies_of_the_parts_of_a_joint_label_label_together(
    data: Path, unlabelled: Path, tmp_path: Path
) -> None:
    studies = [make_study(tmp_path / t.name, data, Plan(t, True, lrs=(0.1,))) for t in (TINT, SHADE)]
    ensemble = Ensemble.load(combined(tmp_path, studies))
    rows = load_manifest(unlabelled)
    paths = [str(rows.root / path) for path in rows.frame["path"]]
    frame = label_manifest(ensemble, rows, 0.01).frame
    for fold in range(3):
        parts = []
        for part in ensemble.components:
            (model,) = [model for model in part.members[0].models if model.fold == fold]
            weights = (ensemble.path / model.weights).read_bytes()
            (member,) = part.members
            predictor = load_trainable(member.trainable).load_predictor(weights, {}, len(part.target.classes))
            parts.append(predictor.predict(paths))
        product = BOTH.combine(parts)
        mine = frame[frame["only_fold"] == fold]
        assert BOTH.encode(mine).tolist() == product.argmax(axis=1).tolist()
        assert mine["confidence"].to_numpy() == pytest.approx(product.max(axis=1), abs=1e-6)


def test_only_labels_at_the_threshold_stay_for_each_fold_on_its_own(whole: Path, unlabelled: Path) -> None:
    every = labels_of(whole, unlabelled)
    threshold = float(every["confidence"].median())
    some = labels_of(whole, unlabelled, threshold)
    kept = every[every["confidence"] >= threshold]
    assert 0 < len(some) < len(every)
    assert some[["path", "only_fold"]].to_numpy().tolist() == kept[["path", "only_fold"]].to_numpy().tolist()
    with pytest.raises(
        EnsembleError, match=r"--threshold 1: no label of 7 images is that certain \(the best"
    ):
        labels_of(whole, unlabelled, 1.0)


def test_the_rows_keep_their_columns_and_have_groups_of_their_own(whole: Path, unlabelled: Path) -> None:
    frame = labels_of(whole, unlabelled)
    assert frame["group"].tolist() == [f"pseudo:{name}" for name in frame["ImageID"]]
    table = pd.read_parquet(whole / "oof.parquet")
    assert set(frame["fold_plan_digest"]) == {train_digest(table["path"], table["fold"].to_numpy())}


def test_an_ensemble_that_lacks_a_folds_model_cannot_label(whole: Path) -> None:
    alone = fold_ensemble(Ensemble.load(whole), 1)
    assert {model.fold for model in alone.models()} == {1} and len(alone.models()) == 2
    with pytest.raises(EnsembleError, match=r"trial \d has no model of fold 0"):
        fold_ensemble(alone, 0)


def test_an_ensemble_that_knows_one_class_of_people_alone_labels_nobody(
    data: Path, unlabelled: Path, tmp_path: Path
) -> None:
    plan = Plan(SHADE, given=(TINT, "red"), lrs=(0.1,), epochs=1)
    folder = combined(tmp_path, [make_study(tmp_path / "red", data, plan)])
    with pytest.raises(EnsembleError, match=r"P\(shade \| tint=red\) says nothing .* the study of tint and"):
        labels_of(folder, unlabelled)


def test_the_folds_are_those_of_all_train_rows_and_in_an_older_folder_of_its_out_of_fold_rows(
    whole: Path, unlabelled: Path, tmp_path: Path
) -> None:
    older = shutil.copytree(whole, tmp_path / "older")
    record = to_format_1(older)
    written = record.pop("train_digest")
    (older / "ensemble.json").write_text(json.dumps(record))
    assert set(labels_of(older, unlabelled)["fold_plan_digest"]) == {written}
    (older / "ensemble.json").write_text(json.dumps({**record, "train_digest": "0123456789abcdef"}))
    assert set(labels_of(older, unlabelled)["fold_plan_digest"]) == {"0123456789abcdef"}


@pytest.mark.parametrize(
    "target",
    [
        age_bins([30, 60]),
        age_bins([0.5]),
        age_bins([10, 11, 12.5]),
        categorical("mask", ["worn", "3"]),
        one_hot(["worn", "wrong", "none"]),
        replace(one_hot(["worn", "wrong", "none"]), changes=Changes().merging(["worn", "none"], "other")),
        joint(categorical("mask", ["worn", "wrong", "none"]), age_bins([30, 58, 60])),
    ],
)
def test_a_class_becomes_cells_that_are_encoded_as_it(target: Target) -> None:
    labels = np.arange(len(target.classes))
    assert target.encode(pd.DataFrame(representatives(target, labels))).tolist() == labels.tolist()
    if target == age_bins([30, 60]):
        assert representatives(target, labels) == {"age": [15.0, 45.0, 75.0]}


def test_a_column_that_two_parts_read_differently_is_refused() -> None:
    ages = joint(age_bins([30, 60]), age_bins([20, 40], name="young"))
    rows = pd.DataFrame({"path": ["a"], "group": ["a"], "role": ["test"]})
    probabilities = np.eye(9, dtype=np.float32)[[2]]
    with pytest.raises(EnsembleError, match="reads one column twice"):
        labelling._rows(ages, rows, 0, probabilities)


# ---- fold-safety ------------------------------------------------------------------------------------


def table_with_folds(root: Path, poisoned: int | None = None) -> Path:
    """24 people, one photo each, folds by number. A poisoned fold has noise for images and turned labels."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(11)
    lines = ["path,group,tint,fold"]
    for person in range(24):
        tint, fold = person % 2, person // 2 % 3
        draw(root / f"{person:02d}.png", rng, tint, 1)
        if fold == poisoned:
            noise = np.random.default_rng(person).integers(0, 256, (12, 12, 3)).astype(np.uint8)
            cv2.imwrite(str(root / f"{person:02d}.png"), noise)
        label = TINT.classes[1 - tint if fold == poisoned else tint]
        lines.append(f"{person:02d}.png,p{person},{label},{fold}")
    (root / "rows.csv").write_text("\n".join(lines) + "\n")
    return root / "rows.csv"


def study_of(data: Path, runs: Path, *more: str) -> int:
    space = runs.parent / "tints.py"
    space.write_text(SPACE)
    arguments = [
        "--space",
        str(space),
        "--data",
        str(data),
        "--runs",
        str(runs),
        "--inline",
        "--scale",
        "full",
    ]
    return tune([*arguments, *more])


@pytest.mark.parametrize("fold", [0, 2])
def test_a_poisoned_fold_changes_the_labels_of_every_fold_but_its_own(
    unlabelled: Path, tmp_path: Path, fold: int
) -> None:
    found = []
    for name, poisoned in (("clean", None), ("poisoned", fold)):
        runs = tmp_path / name / "runs"
        assert study_of(table_with_folds(tmp_path / name / "data", poisoned), runs, "--study", "a") == 0
        found.append(labels_of(combined(tmp_path / name, [runs / "a"], "auto"), unlabelled))
    clean, poisoned_labels = found
    columns = ["path", "only_fold", "tint", "confidence"]
    for each in range(3):
        one, other = (frame[frame["only_fold"] == each][columns].to_numpy() for frame in found)
        assert (one.tolist() == other.tolist()) == (each == fold), f"labels that join fold {each}"
    assert set(clean["fold_plan_digest"]) == set(poisoned_labels["fold_plan_digest"])


# ---- the commands -----------------------------------------------------------------------------------


def label(*arguments: str) -> int:
    return pseudo_labels.main([*arguments])


def test_labels_join_a_study_with_the_same_folds_and_no_other(
    unlabelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, runs, out = table_with_folds(tmp_path / "data"), tmp_path / "runs", tmp_path / "pseudo.parquet"
    assert study_of(data, runs, "--study", "a") == 0
    assert ensemble_command.main(["--study", str(runs / "a")]) == 0
    chosen = ["--predict", str(unlabelled), "--out", str(out), "--threshold", "0.3"]
    assert label("--study", str(runs / "a"), *chosen) == 0
    assert "fold 2: 7 of 7 images; red" in capsys.readouterr().out
    assert study_of(data, runs, "--study", "b", "--extra", str(out)) == 0
    assert "extra: 21 rows of pseudo-" in capsys.readouterr().out
    study = Study(runs / "b")
    dataset = make_dataset(study.space, study.manifest(), study.fold_plan(), runs)
    frame = study.manifest().frame
    for fold in range(3):
        joined = frame.iloc[dataset.training_rows(fold)]
        assert (joined["role"] == "extra").sum() == 7
        assert set(joined["only_fold"].dropna()) == {fold}
    assert study.complete_trials()
    out_again = study_of(data, runs, "--study", "c", "--extra", str(out), "--extra", str(out))
    assert out_again == 2 and "repeat a path" in capsys.readouterr().err
    data.write_text(data.read_text().replace("p0,red,0", "p0,red,1"))
    assert study_of(data, runs, "--study", "d", "--extra", str(out)) == 2
    message = capsys.readouterr().err
    assert "21 rows" in message and "pseudo_labels" in message and len(message.strip().splitlines()) == 2
    assert not (runs / "d").exists()


def test_the_written_table_loads_as_it_was_made(whole: Path, unlabelled: Path, tmp_path: Path) -> None:
    made = label_manifest(Ensemble.load(whole), load_manifest(unlabelled), 0.2)
    made.write(tmp_path / "pseudo.parquet")
    assert load_manifest(tmp_path / "pseudo.parquet").fingerprint == made.fingerprint
    back = load_extra(tmp_path / "pseudo.parquet", "ImageID")
    assert back.frame["group"].str.startswith("pseudo:").all(), "its groups are its own"
    assert isinstance(back, Manifest) and back.root == load_manifest(unlabelled).root


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --ensemble DIR or --study DIR"),
        (["--ensemble", "x", "--study", "y"], "give --ensemble DIR or --study DIR"),
        (["--ensemble", "x", "--threshold", "0"], "--threshold 0: give a probability"),
        (["--ensemble", "x", "--threshold", "nan"], "--threshold nan: give a probability"),
        (["--study", "absent"], "absent is no study, nor is there one of that name in runs"),
        (["--ensemble", "absent"], "absent is no ensemble"),
        (["--ensemble", "x", "--out", "labels.csv"], "name a .parquet file"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    unlabelled: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert label("--predict", str(unlabelled), "--out", "pseudo.parquet", *arguments) == 2
    assert message in capsys.readouterr().err


def test_the_rows_that_were_trained_on_are_refused(
    whole: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pseudo.parquet"
    assert label("--ensemble", str(whole), "--predict", str(data), "--out", str(out)) == 2
    assert "was trained on 72 of these 72 rows (p00-0.png, " in capsys.readouterr().err and not out.exists()
