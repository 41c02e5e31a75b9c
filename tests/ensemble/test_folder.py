"""An ensemble's folder predicts by itself, and is refused where it is not what was written."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.data.manifest import load_manifest
from orchestrator.ensemble import Ensemble
from tests.pixel_trainable import PixelPredictor, PixelTrainable, answer
from tests.support.ensemble_command import MEMORISER, build, build_joint, by_hand, images, record
from tests.support.ensemble_studies import BOTH, TINT, Plan, make_study
from tests.support.format_1 import to_format_1
from tests.support.memoriser import MemoriserPredictor


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_predictions_are_the_vote_of_trials_that_average_their_folds(
    runs: Path, data: Path, vote: str
) -> None:
    folder = build(runs, "--vote", vote, "--top", "3")
    ensemble, paths = Ensemble.load(folder), images(data)
    answers = []
    for member in ensemble.components[0].members:
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
    gc.collect()  # one that an earlier test left in a cycle must not go meanwhile
    MemoriserPredictor.most_alive = MemoriserPredictor.alive
    before, MemoriserPredictor.calls = MemoriserPredictor.alive, []
    seen: list[tuple[int, int]] = []
    ensemble.predict(images(data)[:5], lambda done, total: seen.append((done, total)), tta="flip")
    assert MemoriserPredictor.most_alive == before + 1
    assert MemoriserPredictor.calls == ["flip"] * 6
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


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


# ---- test-time augmentation -----------------------------------------------------------------------


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


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_a_folder_written_before_members_had_views_predicts_as_it_did(
    runs: Path, data: Path, tta: str
) -> None:
    folder, paths = build(runs), images(data)
    older = to_format_1(folder)
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


class ArrayPredictor(PixelPredictor):
    """Knows pixels too."""

    def predict_arrays(
        self, images: list[np.ndarray], tta: str, progress: object, columns: object = None
    ) -> np.ndarray:
        rows = np.asarray([cv2.resize(image[..., ::-1], (8, 8)).ravel() / 255.0 for image in images])
        return answer(rows, self._weights, tta)


def test_arrays_are_predicted_as_their_files_are(
    runs: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble, paths = Ensemble.load(build(runs)), images(data)[:4]
    arrays = [cv2.imread(path)[..., ::-1] for path in paths]
    with pytest.raises(EnsembleError, match=r"PixelTrainable' predicts files alone.*no predict_arrays"):
        ensemble.predict(arrays)
    predictor = PixelTrainable.load_predictor

    def knowing_arrays(*given: Any) -> ArrayPredictor:
        return ArrayPredictor(predictor(*given)._weights)

    monkeypatch.setattr(PixelTrainable, "load_predictor", knowing_arrays)
    expected = ensemble.predict(paths)
    assert np.allclose(ensemble.predict(arrays), expected, atol=1e-6)
    assert np.allclose(ensemble.predict(np.stack(arrays)), expected, atol=1e-6)
    assert ensemble.names(ensemble.decide(expected)) == [BOTH.classes[at] for at in expected.argmax(axis=1)]


@pytest.mark.parametrize(
    "given, words",
    [
        ("a.png", r"wants a list of images; write \['a.png'\]"),
        (np.zeros((4, 4, 3), np.uint8), r"an array of the shape \(4, 4, 3\); give \(n, H, W, 3\)"),
        ([np.zeros((4, 4, 3), np.float32)], r"image 0 is an array \(4, 4, 3\) of float32; give RGB"),
        ([np.zeros((4, 4), np.uint8)], r"image 0 is an array \(4, 4\) of uint8"),
        (["a.png", np.zeros((4, 4, 3), np.uint8)], "paths and arrays in one list"),
    ],
)
def test_images_that_are_none_are_refused(runs: Path, given: Any, words: str) -> None:
    with pytest.raises(EnsembleError, match=words):
        Ensemble.load(build(runs)).predict(given)


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


def damage(folder: Path, how: str) -> None:
    path = folder / "ensemble.json"
    content = json.loads(path.read_text())
    term = content["routes"][0]["terms"][0]
    model = term["members"][0]["models"][0]
    weights = folder / model["weights"]
    if how == "no record":
        path.unlink()
    elif how == "torn":
        path.write_text(path.read_text()[:-40])
    elif how == "another format":
        path.write_text(json.dumps({**content, "format": 99}))
    elif how == "a list":
        path.write_text("[1, 2]")
    elif how == "no routes":
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "routes"}))
    elif how == "unknown vote":
        term["vote"]["kind"] = "loud"
        path.write_text(json.dumps(content))
    elif how == "weights gone":
        weights.unlink()
    elif how == "weights cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif how == "weights outside":
        model["weights"] = "../../etc/passwd"
        path.write_text(json.dumps(content))
    elif how == "another target":
        path.write_text(json.dumps({**content, "target": TINT.to_json()}))


@pytest.mark.parametrize(
    "how",
    [
        "no record", "torn", "another format", "a list", "no routes", "unknown vote", "weights gone",
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


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda found: found[:, :2], r"its shape is \(3, 2\) where \(3, 6\) was due"),
        (
            lambda found: np.where(np.arange(3)[:, None] == 1, np.nan, found),
            r"1 of 3 rows \(1: .*\) is not finite",
        ),
    ],
)
def test_a_wrong_prediction_says_what_is_wrong_and_not_both(
    runs: Path, data: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., np.ndarray], words: str
) -> None:
    folder, original = build(runs), PixelPredictor.predict
    monkeypatch.setattr(PixelPredictor, "predict", lambda *given, **named: change(original(*given, **named)))
    with pytest.raises(EnsembleError, match=f"safetensors: the prediction is wrong: {words}"):
        Ensemble.load(folder).predict(images(data)[:3])
