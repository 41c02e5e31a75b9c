"""The ensemble from studies on disk to predictions: honest, whole, and independent of where it came from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core import metrics
from orchestrator.core.errors import EnsembleError
from orchestrator.data.extra_rows import add_extra, load_extra
from orchestrator.data.manifest import load_manifest
from orchestrator.data.targets import categorical
from orchestrator.demo import faces as demo_faces
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.members import gather
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from tests.pixel_trainable import PixelPredictor, PixelTrainable
from tests.support.ensemble_studies import BOTH, SHADE, TINT, Plan, draw, make_eval, make_faces, make_study
from tests.support.memoriser import MemoriserPredictor

MEMORISER = "tests.support.memoriser:Memoriser"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """runs/ with a study of the joint label and two of its parts; tests don't write into it."""
    runs = tmp_path_factory.mktemp("runs")
    make_study(runs / "both", data, Plan())
    make_study(runs / "tint", data, Plan(target=TINT, joint=True))
    make_study(runs / "shade", data, Plan(target=SHADE, joint=True))
    return runs


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """runs/ with a study whose trials were validated with mirror images; tests don't write into it."""
    runs = tmp_path_factory.mktemp("flipped")
    make_study(runs / "both", data, Plan(lrs=(0.5, 1.0), epochs=2, config={"tta": "flip"}))
    return runs


@pytest.fixture
def runs(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_eval(tmp_path_factory.mktemp("competition") / "eval")


def images(data: Path) -> list[str]:
    return [str(data.parent / path) for path in load_manifest(data).frame["path"]]


def build(runs: Path, *more: str, study: str = "both") -> Path:
    assert main(["--runs", str(runs), "--study", study, "--out", str(runs / "e"), *more]) == 0
    return runs / "e"


def build_joint(runs: Path, *more: str) -> Path:
    names = ["--study", "shade", "tint"]  # not the order of the joint label
    assert main(["--runs", str(runs), *names, "--out", str(runs / "e"), *more]) == 0
    return runs / "e"


def record(folder: Path) -> dict:  # type: ignore[type-arg]
    return dict(json.loads((folder / "ensemble.json").read_text()))


# ---- honest ---------------------------------------------------------------------------------------


def test_a_row_is_predicted_only_by_models_that_trained_on_none_of_its_person(runs: Path, data: Path) -> None:
    folder = build(runs)
    oof, _ = read_prediction(folder / "oof.parquet")
    frame, ensemble = load_manifest(data).frame, Ensemble.load(folder)
    plan = Study.read(runs / "both").fold_plan()
    assert oof.rows.tolist() == list(range(len(frame)))
    for fold in range(3):
        held_out = plan.folds == fold
        assert not set(frame["group"][held_out]) & set(frame["group"][~held_out])
        answers = []
        for member in ensemble.parts[0].members:
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


def test_the_scores_written_are_those_of_the_out_of_fold_rows(runs: Path) -> None:
    folder = build(runs)
    oof, classes = read_prediction(folder / "oof.parquet")
    estimates = record(folder)["estimates"]
    assert classes == BOTH.classes
    by_fold = [
        metrics.score("macro_f1", oof.labels[oof.folds == fold], oof.probabilities[oof.folds == fold])
        for fold in range(3)
    ]
    assert list(estimates["folds"].values()) == pytest.approx(by_fold)
    assert estimates["mean"] == pytest.approx(np.mean(by_fold))
    assert estimates["sd"] == pytest.approx(np.std(by_fold, ddof=1))
    naive = estimates["naive"]
    assert naive["score"] == pytest.approx(metrics.score("macro_f1", oof.labels, oof.probabilities))
    assert naive["low"] < naive["score"] < naive["high"]
    assert naive["n_groups"] == 36
    assert estimates["bbc"]["low"] < estimates["bbc"]["score"] < estimates["bbc"]["high"]


def test_a_row_in_the_wrong_fold_stops_the_ensemble(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study.read(runs / "both")
    first, second = study.complete_trials()[0].bests[:2]
    store = study.store()
    store.put(first.oof, store.get(second.oof))
    assert main(["--runs", str(runs), "--study", "both"]) == 2
    assert "belongs to fold" in capsys.readouterr().err


# ---- members and votes ----------------------------------------------------------------------------


def test_members_are_all_fold_models_of_the_best_complete_trials(runs: Path) -> None:
    complete = Study.read(runs / "both").complete_trials()
    assert len(complete) == 3
    (part,) = Ensemble.load(build(runs)).parts
    assert [member.trial for member in part.members] == [trial.number for trial in complete[:2]]
    assert all([model.fold for model in member.models] == [0, 1, 2] for member in part.members)
    assert part.members[0].models[1].epoch == complete[0].bests[1].epoch


def test_top_chooses_how_many_and_refuses_more_than_there_are(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(Ensemble.load(build(runs, "--top", "1")).models()) == 3
    assert main(["--runs", str(runs), "--study", "both", "--top", "4"]) == 2
    assert "has 3 complete trials" in capsys.readouterr().err


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_predictions_are_the_vote_of_trials_that_average_their_folds(
    runs: Path, data: Path, vote: str
) -> None:
    folder = build(runs, "--vote", vote, "--top", "3")
    ensemble, paths = Ensemble.load(folder), images(data)
    answers = []
    for member in ensemble.parts[0].members:
        models = [
            PixelTrainable.load_predictor((folder / model.weights).read_bytes(), member.config, 6)
            for model in member.models
        ]
        answers.append(np.mean([model.predict(paths) for model in models], axis=0))
    expected = np.mean(answers, axis=0)
    if vote == "hard":
        expected = np.mean([np.eye(6)[answer.argmax(axis=1)] for answer in answers], axis=0)
    found = ensemble.predict(paths)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


def test_one_model_is_in_memory_at_a_time_and_progress_counts_images_times_models(
    tmp_path: Path, data: Path
) -> None:
    make_study(tmp_path / "m", data, Plan(trainable=MEMORISER, lrs=(0.5, 0.6), epochs=1))
    ensemble = Ensemble.load(build(tmp_path, study="m"))
    MemoriserPredictor.most_alive = MemoriserPredictor.alive
    before, MemoriserPredictor.calls = MemoriserPredictor.alive, []
    seen: list[tuple[int, int]] = []
    ensemble.predict(images(data)[:5], lambda done, total: seen.append((done, total)), tta="flip")
    assert MemoriserPredictor.most_alive == before + 1
    assert MemoriserPredictor.calls == ["flip"] * 6
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


# ---- test-time augmentation -------------------------------------------------------------------------


def by_hand(folder: Path, paths: list[str], tta: str) -> np.ndarray:
    models = [
        PixelTrainable.load_predictor((folder / model.weights).read_bytes(), {}, 6)
        for model in Ensemble.load(folder).models()
    ]
    return np.asarray(np.mean([model.predict(paths, tta) for model in models], axis=0))


def test_members_predict_with_the_views_they_were_validated_with(
    flipped: Path, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, paths = tmp_path / "e", images(data)
    build(flipped, "--out", str(folder))
    ensemble = Ensemble.load(folder)
    said = capsys.readouterr().out
    assert "note: predictions" not in said and "validated with tta flip" in " ".join(said.split())
    assert ensemble.tta is None and record(folder)["tta"] is None
    assert np.allclose(ensemble.predict(paths), by_hand(folder, paths, "flip"), atol=1e-6)
    assert np.allclose(ensemble.predict(paths, tta="none"), by_hand(folder, paths, "none"), atol=1e-6)
    assert np.abs(by_hand(folder, paths, "flip") - by_hand(folder, paths, "none")).max() > 1e-3


def test_other_views_than_the_validated_ones_are_said_in_one_line(
    flipped: Path, tmp_path: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "e"
    build(flipped, "--out", str(folder), "--tta", "none")
    note = "note: predictions are made with tta none; the out-of-fold scores were obtained with tta flip"
    assert capsys.readouterr().out.count(note) == 1
    assert main(["--ensemble", str(folder), "--predict", str(evaluation)]) == 0
    assert note in capsys.readouterr().out
    assert main(["--ensemble", str(folder), "--predict", str(evaluation), "--tta", "flip"]) == 0
    assert "note:" not in capsys.readouterr().out


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_a_folder_written_before_members_had_views_predicts_as_it_did(
    runs: Path, data: Path, tta: str
) -> None:
    folder, paths = build(runs), images(data)
    older = record(folder)
    older["tta"] = tta
    for member in older["parts"][0]["members"]:
        member["config"].pop("tta", None)
    (folder / "ensemble.json").write_text(json.dumps(older))
    assert np.allclose(Ensemble.load(folder).predict(paths), by_hand(folder, paths, tta), atol=1e-6)


def test_an_unknown_view_is_refused(runs: Path) -> None:
    with pytest.raises(EnsembleError, match=r"tta='rotate'.*five_crop_flip"):
        Ensemble.load(build(runs)).predict(["a.png"], tta="rotate")


def test_models_are_given_the_manifests_columns(runs: Path, data: Path) -> None:
    folder = build(runs, "--predict", str(data))
    columns = PixelPredictor.columns
    assert columns is not None
    assert columns["tint"].tolist() == load_manifest(data).frame["tint"].tolist()
    Ensemble.load(folder).predict(images(data)[:2], columns={"box": np.array([1.0, 2.0])})
    assert PixelPredictor.columns is not None and PixelPredictor.columns["box"].tolist() == [1.0, 2.0]
    Ensemble.load(folder).predict(images(data)[:2])
    assert PixelPredictor.columns is None


# ---- joint ----------------------------------------------------------------------------------------


def test_a_joint_prediction_is_the_product_of_its_parts_in_any_order_given(runs: Path, data: Path) -> None:
    joint, paths = Ensemble.load(build_joint(runs)), images(data)
    assert (
        joint.classes
        == BOTH.classes
        == ("red/dark", "red/mid", "red/light", "blue/dark", "blue/mid", "blue/light")
    )
    tint = Ensemble.load(
        build(runs, "--out", str(runs / "e-tint"), study="tint").with_name("e-tint")
    ).predict(paths)
    shade = Ensemble.load(
        build(runs, "--out", str(runs / "e-shade"), study="shade").with_name("e-shade")
    ).predict(paths)
    by_hand = np.array(
        [[t * s for t in row_t for s in row_s] for row_t, row_s in zip(tint, shade, strict=True)]
    )
    assert np.allclose(joint.predict(paths), by_hand, atol=1e-6)


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


def test_studies_that_do_not_make_up_the_joint_label_are_refused_by_name(runs: Path, data: Path) -> None:
    with pytest.raises(EnsembleError, match="both says no joint target"):
        gather([runs / "both", runs / "tint"], None)
    with pytest.raises(EnsembleError, match="both have the target 'tint'"):
        gather([runs / "tint", runs / "tint"], None)
    other = categorical("tint", ["blue", "red"], name="hue")
    make_study(runs / "hue", data, Plan(target=other, joint=True, lrs=(0.5,)))
    with pytest.raises(EnsembleError, match="target 'hue', which is no part"):
        gather([runs / "tint", runs / "shade", runs / "hue"], None)
    with pytest.raises(EnsembleError, match=r"hue.*no part"):
        gather([runs / "tint", runs / "hue"], None)


def test_a_joint_that_lacks_a_part_says_which(
    runs: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.data.targets import joint
    from tests.support import ensemble_studies

    three = joint(TINT, SHADE, categorical("group", ["a", "b"]))
    monkeypatch.setattr(ensemble_studies, "BOTH", three)
    monkeypatch.setattr(ensemble_studies, "build_fold_plan", lambda *_: Study.read(runs / "tint").fold_plan())
    for name, target in (("tint3", TINT), ("shade3", SHADE)):
        make_study(runs / name, data, Plan(target=target, joint=True, lrs=(0.5,)))
    with pytest.raises(EnsembleError, match="lacks a study of group"):
        gather([runs / "tint3", runs / "shade3"], None)


def test_a_joint_of_other_rows_or_other_folds_is_refused(runs: Path, data: Path, tmp_path: Path) -> None:
    make_study(runs / "reseeded", data, Plan(target=SHADE, joint=True, lrs=(0.5,), seed=5))
    with pytest.raises(EnsembleError, match="different folds"):
        gather([runs / "tint", runs / "reseeded"], None)
    (tmp_path / "fewer").mkdir()
    fewer = make_faces(tmp_path / "fewer")
    fewer.write_text("\n".join(fewer.read_text().splitlines()[:-2]) + "\n")
    make_study(runs / "fewer", fewer, Plan(target=SHADE, joint=True, lrs=(0.5,)))
    with pytest.raises(EnsembleError, match=r"different train rows .column 'path'"):
        gather([runs / "tint", runs / "fewer"], None)


def with_more(data: Path, folder: Path, first: bool) -> Path:
    """The same rows and two of another source, which know a shade alone and come first or last."""
    folder.mkdir()
    rng, own = np.random.default_rng(9), load_manifest(data)
    for name in ("x.png", "y.png"):
        draw(folder / name, rng, 0, 2)
    (folder / "more.csv").write_text("path,group,shade\nx.png,x,light\ny.png,y,light\n")
    both = add_extra(own, load_extra(folder / "more.csv", None, own))
    order = np.roll(np.arange(len(both)), 2 if first else 0)
    rows = replace(both, frame=both.frame.iloc[order].reset_index(drop=True))
    rows.write(folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize("first", [True, False])
def test_studies_that_differ_in_rows_of_other_sources_alone_are_combined_row_by_row(
    runs: Path, data: Path, tmp_path: Path, first: bool
) -> None:
    more = with_more(data, tmp_path / "more", first)
    make_study(runs / "shade+", more, Plan(target=SHADE, joint=True, lrs=(0.1,), epochs=1))
    plain, parts = gather([runs / "shade", runs / "tint"], None), gather([runs / "shade+", runs / "tint"], 1)
    study = Study.read(runs / "shade+")
    plan, frame = study.fold_plan(), study.manifest().frame
    assert (plan.folds < 0).sum() == 2
    assert parts.rows.tolist() == plain.rows.tolist() and parts.labels.tolist() == plain.labels.tolist()
    assert parts.groups.tolist() == plain.groups.tolist()
    answers = parts.studies[1].predictions[0]
    for fold in range(3):
        (best,) = [item for item in study.complete_trials()[0].bests if item.fold == fold]
        predictor = PixelTrainable.load_predictor(study.store().get(best.weights), {}, 3)
        held_out = frame[plan.folds == fold]
        expected = predictor.predict([str(data.parent / path) for path in held_out["path"]])
        assert np.allclose(answers.probabilities[answers.folds == fold], expected, atol=1e-6)
    assert main(["--study", str(runs / "shade+"), str(runs / "tint"), "--out", str(runs / "e")]) == 0
    oof, _ = read_prediction(runs / "e" / "oof.parquet")
    assert oof.labels.tolist() == BOTH.encode(load_manifest(data).frame).tolist()


def test_a_label_mended_in_one_study_alone_keeps_them_apart(runs: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mended").mkdir()
    mended = make_faces(tmp_path / "mended")
    mended.write_text(mended.read_text().replace("p00-0.png,p00,red,dark", "p00-0.png,p00,red,mid"))
    make_study(runs / "mended", mended, Plan(target=SHADE, joint=True, lrs=(0.5,), epochs=1))
    with pytest.raises(EnsembleError, match=r"different train rows .column 'shade'"):
        gather([runs / "tint", runs / "mended"], None)


# ---- the folder -----------------------------------------------------------------------------------


def test_a_folder_moved_elsewhere_predicts_in_a_fresh_process_without_ray_or_its_study(
    runs: Path, data: Path, tmp_path: Path
) -> None:
    expected = Ensemble.load(build(runs)).predict(images(data))
    moved = Path(shutil.move(runs / "e", tmp_path / "elsewhere"))
    shutil.rmtree(runs)
    script = (
        "import sys, json; sys.modules['ray'] = None\n"
        "from orchestrator.ensemble import Ensemble\n"
        "ensemble = Ensemble.load(sys.argv[1])\n"
        "print(json.dumps(ensemble.predict(sys.argv[2:]).tolist()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(moved), *images(data)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert np.allclose(json.loads(found.stdout), expected)


def test_a_folder_that_exists_is_never_written_to(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "taken").mkdir()
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "taken")]) == 2
    assert "exists" in capsys.readouterr().err
    assert not list((runs / "taken").iterdir())


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "file").write_text("")
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "file" / "e")]) == 2
    captured = capsys.readouterr()
    assert f"cannot write {runs / 'file' / 'e'}: " in captured.err
    assert "members:" not in captured.out
    assert sorted(path.name for path in runs.iterdir()) == ["both", "file", "shade", "tint"]
    build(runs, "--out", str(runs / "new" / "deep" / "e"))
    assert Ensemble.load(runs / "new" / "deep" / "e").models()


def test_a_missing_checkpoint_leaves_no_half_written_folder(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study.read(runs / "both")
    study.store().delete(study.complete_trials()[1].bests[2].weights)
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "out")]) == 2
    assert "missing" in capsys.readouterr().err
    assert sorted(path.name for path in runs.iterdir()) == ["both", "shade", "tint"]


def damage(folder: Path, how: str) -> None:
    path = folder / "ensemble.json"
    content = json.loads(path.read_text())
    weights = folder / content["parts"][0]["members"][0]["models"][0]["weights"]
    if how == "no record":
        path.unlink()
    elif how == "torn":
        path.write_text(path.read_text()[:-40])
    elif how == "another format":
        path.write_text(json.dumps({**content, "format": 99}))
    elif how == "a list":
        path.write_text("[1, 2]")
    elif how == "no parts":
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "parts"}))
    elif how == "unknown vote":
        path.write_text(json.dumps({**content, "vote": "loud"}))
    elif how == "weights gone":
        weights.unlink()
    elif how == "weights cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif how == "weights outside":
        content["parts"][0]["members"][0]["models"][0]["weights"] = "../../etc/passwd"
        path.write_text(json.dumps(content))
    elif how == "another target":
        path.write_text(json.dumps({**content, "target": TINT.to_json()}))


@pytest.mark.parametrize(
    "how",
    [
        "no record", "torn", "another format", "a list", "no parts", "unknown vote", "weights gone",
        "weights cut", "weights outside", "another target",
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_folder_is_refused_when_it_is_loaded(runs: Path, how: str) -> None:
    folder = build(runs)
    damage(folder, how)
    with pytest.raises(EnsembleError, match="e"):
        Ensemble.load(folder)


def test_weights_that_are_not_what_was_written_are_refused_before_they_are_used(
    runs: Path, data: Path
) -> None:
    folder = build(runs)
    weights = folder / Ensemble.load(folder).models()[0].weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(EnsembleError, match="not what was written"):
        Ensemble.load(folder).predict(images(data)[:1])


# ---- predictions and submissions -------------------------------------------------------------------


def test_a_submission_has_every_image_once_in_the_templates_order(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs / "submission.csv"
    folder = build(runs, "--predict", str(evaluation), "--submission", str(file))
    template = pd.read_csv(evaluation / "info.csv")
    written = pd.read_csv(file)
    assert list(written.columns) == ["ImageID", "ans"]
    assert written["ImageID"].tolist() == template["ImageID"].tolist()
    paths = [str(evaluation / "images" / name) for name in template["ImageID"]]
    probabilities = Ensemble.load(folder).predict(paths)
    assert written["ans"].tolist() == probabilities.argmax(axis=1).tolist()
    table = pd.read_parquet(next(folder.glob("predictions-*.parquet")))
    assert table["ImageID"].tolist() == template["ImageID"].tolist()
    assert table["predicted_index"].tolist() == written["ans"].tolist()
    assert table["predicted"].tolist() == [BOTH.classes[index] for index in written["ans"]]
    assert np.allclose(table[[f"p_{name}" for name in BOTH.classes]], probabilities)
    assert f"red/dark {(written['ans'] == 0).sum()}, " in capsys.readouterr().out


def test_an_ensemble_that_exists_predicts_again_without_replacing_earlier_predictions(
    runs: Path, evaluation: Path
) -> None:
    folder = build(runs)
    for _ in range(2):
        assert main(["--ensemble", str(folder), "--predict", str(evaluation)]) == 0
    first, second = sorted(folder.glob("predictions-*.parquet"))
    assert pd.read_parquet(first).equals(pd.read_parquet(second))


def test_predicting_the_training_rows_is_done_with_a_warning(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(runs)
    assert main(["--ensemble", str(folder), "--predict", str(data)]) == 0
    said = capsys.readouterr().out
    assert "all 72 rows" in said and "look better than they are" in said


def test_the_demo_faces_can_be_predicted_by_name(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(demo_faces.make_demo_faces, people=40, eval_people=3)
    monkeypatch.setattr(demo_faces, "make_demo_faces", few)
    folder = build(runs, "--top", "1", "--predict", "demo", "--submission", str(runs / "demo.csv"))
    written = pd.read_csv(runs / "demo.csv")
    assert (
        len(written) == written["ImageID"].nunique() == len(pd.read_parquet(next(folder.glob("p*.parquet"))))
    )
    assert len(written) == 3 * 7
    assert "with role test" in capsys.readouterr().out


def test_only_rows_with_role_test_are_predicted_where_there_are_any(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(data)
    table["role"] = ["test" if group == "p03" else "train" for group in table["group"]]
    source = data.with_name("with_test.csv")
    table.to_csv(source, index=False)
    folder = build(runs, "--predict", str(source))
    assert "the 2 rows of with_test with role test" in capsys.readouterr().out
    assert len(pd.read_parquet(next(folder.glob("predictions-*.parquet")))) == 2


def test_an_existing_submission_is_refused_before_any_work(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs / "submission.csv"
    file.write_text("mine")
    arguments = [
        "--runs",
        str(runs),
        "--study",
        "both",
        "--predict",
        str(evaluation),
        "--submission",
        str(file),
    ]
    assert main(arguments) == 2
    assert "exists" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert not list((runs / "both").glob("ensemble-*"))


# ---- the command ----------------------------------------------------------------------------------


def test_without_a_study_the_newest_is_taken_and_named_first(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", str(runs), "--predict", str(evaluation)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith(f"study: {runs / 'shade'} (the newest")
    (folder,) = (runs / "shade").glob("ensemble-*")
    assert f"ensemble: {folder}" in said
    assert "BBC-CV macro_f1: " in said and "OOF macro_f1: " in said


def test_a_study_without_a_complete_trial_exits_with_1(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path / "half", data, Plan(complete=False))
    assert main(["--runs", str(tmp_path), "--study", "half"]) == 1
    assert "no complete trial" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--study", "nowhere"], "no study"),
        (["--submission", "s.csv"], "needs --predict"),
        (["--ensemble", "e"], "needs --predict"),
        (["--ensemble", "e", "--predict", "x", "--top", "2"], "--top: an ensemble that exists"),
        (["--study", "both", "--predict", "FACES", "--submission", "s.csv"], "no column ImageID"),
        (["--study", "both", "--predict", "no/such/folder"], "no/such/folder"),
    ],
)
def test_wrong_input_is_a_line_on_stderr_and_exit_code_2(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    given = [str(data) if item == "FACES" else item for item in arguments]
    assert main(["--runs", str(runs), *given]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not list((runs / "both").glob("ensemble-*"))


def test_an_empty_runs_folder_says_what_to_do_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", str(tmp_path)]) == 2
    assert "orchestrator.tune" in capsys.readouterr().err


def test_ctrl_c_exits_with_130_and_leaves_nothing_half_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator import storage

    kept = storage.DirectoryStore.get

    def interrupted(self: storage.DirectoryStore, name: str) -> bytes:
        if name.endswith(".oof.safetensors"):
            return kept(self, name)
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.DirectoryStore, "get", interrupted)
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "out")]) == 130
    assert sorted(path.name for path in runs.iterdir()) == ["both", "shade", "tint"]
