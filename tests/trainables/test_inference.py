from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError, TrainableError, WeightsError
from orchestrator.core.trainable import Resources
from tests.support.drawn_images import ONE_CPU, SMALL, classifier
from trainables import inference
from trainables.image_classifier import ImageClassifier
from trainables.inference import ImagePredictor


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> ImageClassifier:
    model = classifier(dataset, dropout=0.5, augment="strong")
    model.run_epoch()
    return model


@pytest.fixture(scope="module")
def predictor(trained: ImageClassifier) -> ImagePredictor:
    return ImageClassifier.load_predictor(trained.weights(), {**SMALL, "dropout": 0.5}, 3, ONE_CPU)


def validation_paths(dataset: Dataset) -> list[str]:
    return [str(Path(dataset.root) / dataset.paths[row]) for row in dataset.validation_rows(0)]


def test_predicting_validation_files_gives_the_validation_probabilities(
    dataset: Dataset, trained: ImageClassifier, predictor: ImagePredictor
) -> None:
    found = predictor.predict(validation_paths(dataset))
    assert found.dtype == np.float32
    assert found == pytest.approx(trained.probabilities(), abs=1e-6)


def test_rows_keep_their_order_over_batches_and_threads(
    dataset: Dataset, trained: ImageClassifier, predictor: ImagePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = validation_paths(dataset)
    expected = predictor.predict(paths)
    monkeypatch.setattr(inference, "BATCH", 5)
    threaded = ImageClassifier.load_predictor(trained.weights(), SMALL, 3, Resources(cpus=2))
    assert threaded.predict(paths) == pytest.approx(expected, abs=1e-5)
    assert predictor.predict(paths[::-1]) == pytest.approx(expected[::-1], abs=1e-5)


@pytest.mark.parametrize("preprocess", ["", "crop(top=0.3) + pad_square()"])
def test_arrays_predict_as_their_lossless_files_do(
    trained: ImageClassifier, tmp_path: Path, preprocess: str
) -> None:
    import cv2

    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (*sides, 3), np.uint8) for sides in ((40, 31), (9, 70), (32, 32))]
    for at, image in enumerate(arrays):
        cv2.imwrite(str(tmp_path / f"{at}.png"), image[..., ::-1])
    config = {**SMALL, "dropout": 0.5, "preprocess": preprocess}
    asked = ImageClassifier.load_predictor(trained.weights(), config, 3, ONE_CPU)
    files = asked.predict([str(tmp_path / f"{at}.png") for at in range(3)], "flip")
    assert (asked.predict_arrays(arrays, "flip") == files).all()
    assert (asked.predict_arrays(np.stack([arrays[2]] * 2), "flip") == files[[2, 2]]).all()
    assert len(asked.predict_arrays([])) == 0


def test_flip_averages_the_image_and_its_mirror(
    dataset: Dataset, predictor: ImagePredictor, tmp_path: Path
) -> None:
    import cv2

    paths = validation_paths(dataset)[:6]
    mirrored = []
    for index, path in enumerate(paths):
        mirrored.append(str(tmp_path / f"{index}.png"))
        cv2.imwrite(mirrored[-1], cv2.imread(path)[:, ::-1])
    both = (predictor.predict(paths) + predictor.predict(mirrored)) / 2
    flipped = predictor.predict(paths, tta="flip")
    assert flipped == pytest.approx(both, abs=1e-3)  # resizing an odd width mirrors to within a grey level
    assert flipped.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert not np.allclose(flipped, predictor.predict(paths), atol=1e-4)


def test_progress_counts_images(dataset: Dataset, predictor: ImagePredictor) -> None:
    seen: list[tuple[int, int]] = []
    predictor.predict(validation_paths(dataset), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)


def test_no_paths_give_no_rows(predictor: ImagePredictor) -> None:
    assert predictor.predict([]).shape == (0, 3)


def test_every_unreadable_image_is_named(
    dataset: Dataset, predictor: ImagePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "BATCH", 2)
    paths = validation_paths(dataset)[:5]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    with pytest.raises(ImageReadError, match=r"2 of 7 .*broken\.jpg.*gone\.jpg \(missing\)"):
        predictor.predict([str(broken), *paths, str(tmp_path / "gone.jpg")])


def test_an_unknown_tta_is_refused_by_name(predictor: ImagePredictor) -> None:
    with pytest.raises(TrainableError, match="tta='rotate'"):
        predictor.predict([], tta="rotate")


def test_weights_of_another_number_of_classes_are_refused(trained: ImageClassifier) -> None:
    with pytest.raises(WeightsError, match="with 4 classes"):
        ImageClassifier.load_predictor(trained.weights(), SMALL, 4, ONE_CPU)
    with pytest.raises(WeightsError):
        ImageClassifier.load_predictor(b"torn", SMALL, 3, ONE_CPU)


def test_a_predictor_needs_no_pretrained_weights(trained: ImageClassifier) -> None:
    config = {**SMALL, "pretrained": "/nowhere/left.safetensors"}
    assert ImageClassifier.load_predictor(trained.weights(), config, 3, ONE_CPU) is not None
