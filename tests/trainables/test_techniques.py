"""Every technique as a value of a parameter, through whole fold runs: each does something, none sees a
validation row, and what is stored is what was validated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load

from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.errors import TrainableError
from orchestrator.core.metrics import macro_f1
from tests.support.drawn_images import CLASSES, SMALL, classifier, run, same, with_fold_poisoned
from trainables.image_classifier import ImageClassifier

BASE: dict[str, Any] = {"augment": "none", "momentum": 0.5}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "mlp head": {"head": "mlp", "head_hidden": 16},
    "multi-sample dropout": {"dropout": 0.5, "dropout_samples": 4},
    "default initialisation": {"head_init": "default"},
    "focal": {"loss": "focal"},
    "soft F1": {"loss": "soft_f1"},
    "a mixture": {"loss": "0.4*soft_f1 + 0.6*focal"},
    "SORD": {"loss": "sord"},
    "CORAL": {"loss": "coral"},
    "CORN": {"loss": "corn"},
    "label smoothing": {"label_smoothing": 0.2},
    "balanced weights": {"class_weights": "balanced"},
    "class-balanced weights": {"class_weights": "effective"},
    "logit adjustment": {"logit_adjustment": 1.0},
    "weighted sampler": {"sampler": "weighted"},
    "inverse square root": {"sampler": "inverse_sqrt"},
    "oversampling": {"sampler": "oversample"},
    "oversampled groups": {"sampler": "oversample_groups"},
    "one photo a look": {"one_row_per": "look"},
    "the 58 boundary": {"train_edges": "30,58"},
    "augmentation": {"augment": "one_of(flip(1.0), rotate(20), noise(0.1), p=0.7)"},
    "rare rows augmented": {"augment_rare": "rotate(20) + noise(0.1)", "rare_share": 0.2},
    "mixup": {"mix": "mixup", "mix_probability": 0.8},
    "cutmix": {"mix": "cutmix", "mix_probability": 0.8},
    "layer-wise rates": {"layer_decay": 0.5},
    "SAM": {"sam_rho": 0.1},
    "EMA": {"ema_decay": 0.9},
    "accumulation": {"accumulate": 2},
    "clipping": {"grad_clip": 0.01},
    "sgd": {"optimizer": "sgd"},
    "frozen first": {"freeze_epochs": 1},
    "cropped": {"preprocess": "center_crop(20)"},
    "not square": {"image_size": "32x24"},
}


@dataclass(frozen=True)
class Trained:
    """What two epochs left."""

    history: list[tuple[dict[str, float], NDArray[np.float32]]]
    weights: bytes


def train(dataset: Dataset, config: dict[str, Any]) -> Trained:
    trained = classifier(dataset, **config)
    return Trained(run(trained, 2), trained.weights())


@pytest.fixture(scope="module")
def learned(dataset: Dataset) -> Callable[[dict[str, Any]], Trained]:
    """Trains with a configuration when it is first asked for, and never again."""
    kept: dict[str, Trained] = {}

    def asked(config: dict[str, Any]) -> Trained:
        key = json.dumps(config, sort_keys=True)
        return kept[key] if key in kept else kept.setdefault(key, train(dataset, config))

    return asked


@pytest.fixture(scope="module")
def poisoned(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Other images, labels, ages, groups in the validated fold."""
    return with_fold_poisoned(dataset, 0, tmp_path_factory.mktemp("with") / "poisoned")


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES.keys())
def test_it_changes_what_is_learned(
    learned: Callable[[dict[str, Any]], Trained], technique: dict[str, Any]
) -> None:
    trained = learned({**BASE, **technique})
    assert all(np.isfinite(metrics["loss_train"]) for metrics, _ in trained.history)
    assert trained.weights != learned(BASE).weights
    assert trained.history[-1][1].sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES.keys())
def test_poisoned_validation_rows_change_no_trained_weight(
    learned: Callable[[dict[str, Any]], Trained], poisoned: Dataset, technique: dict[str, Any]
) -> None:
    clean, other = learned({**BASE, **technique}), train(poisoned, {**BASE, **technique})
    assert clean.weights == other.weights
    assert not same(clean.history, other.history)  # validation itself did see the poison


@pytest.mark.parametrize(
    "config", [{"scheduler": "plateau", "lr": 0.1, "step_size": 0.5}, {"augment": "strong"}]
)
def test_nor_does_a_schedule_or_a_strong_pipeline(
    dataset: Dataset, poisoned: Dataset, config: dict[str, Any]
) -> None:
    clean, other = classifier(dataset, **config), classifier(poisoned, **config)
    run(clean, 3), run(other, 3)
    assert clean.weights() == other.weights()


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "soft_f1", "sord", "coral", "corn", "0.5*focal + 0.5*soft_f1"]
)
def test_every_loss_learns_what_can_be_learned(dataset: Dataset, loss: str) -> None:
    trained = classifier(dataset, epochs=8, loss=loss, lr=5e-3, head_lr_mult=10.0)  # CORAL's biases are slow
    assert run(trained, 8)[-1][0]["macro_f1"] > 0.8


# ---- what is stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "technique",
    [*TECHNIQUES.values(), {"tta": "flip"}, {"tta": "five_crop_flip"}],
    ids=[*TECHNIQUES, "flip TTA", "ten crops"],
)
def test_stored_weights_predict_what_was_validated(
    dataset: Dataset, learned: Callable[[dict[str, Any]], Trained], technique: dict[str, Any]
) -> None:
    trained = learned({**BASE, **technique})
    predictor = ImageClassifier.load_predictor(trained.weights, {**SMALL, **BASE, **technique}, 3)
    rows = dataset.validation_rows(0)
    paths = [str(Path(dataset.root) / dataset.paths[row]) for row in rows]
    predicted = predictor.predict(paths, technique.get("tta", "none"))
    assert predicted == pytest.approx(trained.history[-1][1], abs=1e-5)


def test_the_average_is_what_is_stored_and_it_lags_behind(dataset: Dataset) -> None:
    averaged, raw = classifier(dataset, **BASE, ema_decay=0.9), classifier(dataset, **BASE)
    run(averaged, 2), run(raw, 2)
    own = averaged._network.state_dict()
    theirs = load(raw.weights())
    assert all(torch.equal(own[key], theirs[key]) for key in own)  # training itself is the same
    assert averaged.weights() != raw.weights()


def test_views_are_averaged_in_validation(dataset: Dataset) -> None:
    once, twice = classifier(dataset, **BASE), classifier(dataset, **BASE, tta="flip")
    run(once, 1), run(twice, 1)
    assert once.weights() == twice.weights()
    assert not np.array_equal(once.probabilities(), twice.probabilities())


def test_repeats_are_scored_but_not_kept(dataset: Dataset) -> None:
    config = {"augment": "rotate(90) + noise(0.5)"}
    once, repeated = classifier(dataset, **config), classifier(dataset, **config, validation_repeats=3)
    alone, together = run(once, 4), run(repeated, 4)
    assert all(np.array_equal(first[1], second[1]) for first, second in zip(alone, together, strict=True))
    assert alone[-1][0]["loss_val"] == together[-1][0]["loss_val"]
    assert [metrics["macro_f1"] for metrics, _ in alone] != [metrics["macro_f1"] for metrics, _ in together]


# ---- labels and rows ------------------------------------------------------------------------------------


def test_the_moved_boundary_is_not_what_it_is_judged_by(dataset: Dataset) -> None:
    """Trained to call 59 old, judged by the labels as they are."""
    trained = classifier(dataset, epochs=8, lr=5e-3, train_edges="30,58")
    metrics, probabilities = run(trained, 8)[-1]
    labels = dataset.labels[dataset.validation_rows(0)]
    assert metrics["macro_f1"] == macro_f1(labels, probabilities.argmax(axis=1), 3)
    assert trained._loader.counts.tolist() == [24, 8, 16] and dataset.labels.tolist().count(2) == 12


def test_branches_learn_each_factor_and_multiply(dataset: Dataset) -> None:
    factors = (Factor("look", ("plain", "hat"), "look"), *dataset.factors)
    looks = (dataset.columns["look"] == "hat").astype(np.int64)
    both = replace(
        dataset,
        labels=looks * 3 + dataset.labels,
        classes=tuple(f"{look}/{tint}" for look in ("plain", "hat") for tint in CLASSES),
        factors=factors,
    )
    trained = classifier(both, branches=True)
    run(trained, 1)
    rows = trained.probabilities().reshape(-1, 2, 3)
    product = rows.sum(axis=2)[:, :, None] * rows.sum(axis=1)[:, None, :]
    assert rows == pytest.approx(product, abs=1e-6)
    predictor = ImageClassifier.load_predictor(trained.weights(), {**SMALL, "branches": True}, 6)
    path = str(Path(both.root) / both.paths[int(both.validation_rows(0)[0])])
    assert predictor.predict([path])[0] == pytest.approx(trained.probabilities()[0], abs=1e-5)
    joint = classifier(both)
    run(joint, 1)
    assert not np.allclose(joint.probabilities(), trained.probabilities())


def test_rows_outside_are_predicted_but_neither_trained_on_nor_scored(
    dataset: Dataset, tmp_path: Path
) -> None:
    hats = dataset.columns["look"] == "hat"
    inside = replace(dataset, condition_mask=~hats)
    trained = classifier(inside)
    metrics, probabilities = run(trained, 1)[-1]
    rows = dataset.validation_rows(0)
    assert len(probabilities) == len(rows)
    scored = ~hats[rows]
    expected = macro_f1(dataset.labels[rows][scored], probabilities[scored].argmax(axis=1), 3)
    assert metrics["macro_f1"] == expected and 0 < scored.sum() < len(rows)
    labels = np.where(hats, 2, dataset.labels)
    other = classifier(replace(inside, labels=labels))
    run(other, 1)
    assert other.weights() == trained.weights()


def test_a_row_that_joins_one_fold_is_trained_on_there_alone(dataset: Dataset) -> None:
    folds = dataset.folds.copy()
    lent = np.flatnonzero(folds == 2)
    folds[lent] = -2 - 0  # joins fold 0's training part
    some = replace(dataset, folds=folds)
    assert set(lent) <= set(some.training_rows(0)) and not set(lent) & set(some.training_rows(1))
    mine, theirs = classifier(some), classifier(dataset)
    run(mine, 1), run(theirs, 1)
    assert mine.weights() == theirs.weights()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"one_row_per": "shoes"}, "one_row_per='shoes' is no column"),
        ({"loss": "0.4*soft_f2"}, "soft_f2"),
        ({"branches": True}, "branches"),
        ({"train_edges": "58"}, "train_edges"),
        ({"augment": "spin(3)"}, "spin"),
        ({"preprocess": "box(0.3)"}, "box_left"),
        ({"image_size": "32by24"}, "32by24"),
    ],
)
def test_what_cannot_be_is_refused_in_words(dataset: Dataset, config: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainableError, match=message):
        classifier(dataset, **config)
