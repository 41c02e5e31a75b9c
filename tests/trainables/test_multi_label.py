"""A fold run whose rows may have several labels: it learns, continues, predicts and refuses as any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError, TrainableError, WeightsError
from tests.support.drawn_images import CLASSES, ONE_CPU, SMALL, classifier, run, same
from trainables.feed.fold_loader import FoldLoader
from trainables.image_classifier import ImageClassifier
from trainables.images.image_store import open_store
from trainables.parameters import completed
from trainables.preparation import check_networks
from trainables.preview import preview

COMBINATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "focal, weighted rows, mixup": {"loss": "focal_bce", "sampler": "weighted", "mix": "mixup"},
    "asymmetric, oversampled groups, weighted labels, rare rows augmented, moving average": {
        "loss": "asymmetric",
        "sampler": "oversample_groups",
        "class_weights": "balanced",
        "augment_rare": "rotate(20)",
        "rare_share": 0.2,
        "ema_decay": 0.9,
    },
    "a mixture, sharpness-aware, smoothed, several dropout masks, cutmix": {
        "loss": "0.5*bce + 0.5*soft_f1",
        "sam_rho": 0.05,
        "label_smoothing": 0.1,
        "logit_adjustment": 0.5,
        "dropout": 0.3,
        "dropout_samples": 2,
        "mix": "cutmix",
        "head": "mlp",
    },
}


def truth(dataset: Dataset, fold: int = 0) -> np.ndarray[Any, np.dtype[np.int64]]:
    return dataset.labels[dataset.validation_rows(fold)]


def test_it_learns_which_labels_a_row_has(labels_dataset: Dataset) -> None:
    trained = classifier(labels_dataset, epochs=12)
    history = [metrics for metrics, _ in run(trained, 12)]
    assert history[-1]["macro_f1"] > 0.9  # every label for every row: 0.6
    assert history[-1]["loss_val"] < history[0]["loss_val"]
    sets = (trained.probabilities() >= 0.5).sum(axis=1)
    assert {0, 1, 2} <= set(sets.tolist())  # rows with none, one and two labels


def test_metrics_are_those_of_the_probabilities_of_labels(labels_dataset: Dataset) -> None:
    trained = classifier(labels_dataset)
    metrics, found = trained.run_epoch(), trained.probabilities()
    labels = truth(labels_dataset)
    assert found.shape == labels.shape and found.dtype == np.float32 and not np.allclose(found.sum(axis=1), 1)
    assert ((found > 0) & (found < 1)).all()
    expected = f1_score(labels, found >= 0.5, average="macro", zero_division=0)
    assert metrics["macro_f1"] == pytest.approx(expected)
    per_label = [log_loss(labels[:, at], found[:, at].astype(float), labels=[0, 1]) for at in range(3)]
    assert metrics["loss_val"] == pytest.approx(np.mean(per_label), rel=1e-5)


@pytest.mark.parametrize("config", COMBINATIONS.values(), ids=COMBINATIONS.keys())
def test_continuing_equals_never_stopping(labels_dataset: Dataset, config: dict[str, Any]) -> None:
    whole = classifier(labels_dataset, **config)
    first = run(whole, 1)
    state = whole.state()
    rest = run(whole, 2)
    continued = classifier(labels_dataset, **config)
    continued.load_state(state)
    assert same(run(continued, 2), rest) and continued.weights() == whole.weights()
    assert not same(first, rest[:1])


@pytest.mark.parametrize("config", list(COMBINATIONS.values())[1:], ids=list(COMBINATIONS)[1:])
def test_every_combination_trains_something_of_its_own(
    labels_dataset: Dataset, config: dict[str, Any]
) -> None:
    plain, own = classifier(labels_dataset), classifier(labels_dataset, **config)
    assert run(plain, 1)[0][0]["loss_train"] != run(own, 1)[0][0]["loss_train"]


def test_repeated_and_mirrored_validation_rows_keep_their_labels(labels_dataset: Dataset) -> None:
    plain = run(classifier(labels_dataset, tta="flip"), 2)
    repeated = run(classifier(labels_dataset, tta="flip", validation_repeats=2), 2)
    for (alone, clean), (metrics, found) in zip(plain, repeated, strict=True):
        assert np.array_equal(clean, found) and alone["loss_val"] == metrics["loss_val"]
    assert [alone["macro_f1"] for alone, _ in plain] != [metrics["macro_f1"] for metrics, _ in repeated]


def test_a_condition_leaves_rows_out_of_the_score(labels_dataset: Dataset) -> None:
    half = np.arange(len(labels_dataset.paths)) % 12 < 6
    some = replace(labels_dataset, condition_mask=half)
    trained = classifier(some)
    metrics, found = trained.run_epoch(), trained.probabilities()
    scored = some.scored(0)
    expected = f1_score(truth(some)[scored], found[scored] >= 0.5, average="macro", zero_division=0)
    assert metrics["macro_f1"] == pytest.approx(expected) and len(found) == len(truth(some))


# ---- what training sees ----------------------------------------------------------------------------


def loader(dataset: Dataset, **config: Any) -> FoldLoader:
    whole = completed({**SMALL, **config})
    open_store(dataset, whole["image_size"], whole["preprocess"])
    trained = classifier(dataset, **config)
    return trained._loader


def test_batches_carry_labels_and_mixed_ones_their_shares(labels_dataset: Dataset) -> None:
    for _, targets in loader(labels_dataset).training(0):
        assert targets.shape == (12, 3) and set(targets.unique().tolist()) <= {0, 1}
    mixed = [part for _, part in loader(labels_dataset, mix="mixup", mix_probability=1.0).training(0)]
    assert any(((part > 0) & (part < 1)).any() for part in mixed)


def test_counts_are_of_the_training_rows_of_the_fold_alone(labels_dataset: Dataset) -> None:
    labels = labels_dataset.labels.copy()
    labels[labels_dataset.validation_rows(0)] = 1  # whatever the validation rows are
    own = labels[labels_dataset.training_rows(0)].sum(axis=0)
    for dataset in (labels_dataset, replace(labels_dataset, labels=labels)):
        assert loader(dataset).counts.tolist() == [[48 - count, count] for count in own]


# ---- stored and loaded -----------------------------------------------------------------------------


def test_stored_weights_predict_labels_as_validation_did(labels_dataset: Dataset) -> None:
    trained = classifier(labels_dataset)
    trained.run_epoch()
    paths = [
        str(Path(labels_dataset.root) / labels_dataset.paths[row])
        for row in labels_dataset.validation_rows(0)
    ]
    predictor = ImageClassifier.load_predictor(trained.weights(), SMALL, 3, ONE_CPU)
    assert predictor.predict(paths) == pytest.approx(trained.probabilities(), abs=1e-6)
    mirrored = predictor.predict(paths, tta="flip")
    assert mirrored.shape == (24, 3) and not np.allclose(mirrored, trained.probabilities(), atol=1e-5)
    assert predictor.predict([]).shape == (0, 3)
    with pytest.raises(WeightsError, match="with 4 classes: they are of 3 classes"):
        ImageClassifier.load_predictor(trained.weights(), SMALL, 4, ONE_CPU)


# ---- what is checked before ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, fault",
    [
        ({"loss": ["cross_entropy"]}, "loss='cross_entropy': cross_entropy is of one class a row"),
        (
            {"loss": ["bce", "corn"]},
            "loss='corn': corn is of one class a row, and this target is multi-label",
        ),
        ({"branches": [True]}, "branches=True needs a label of two factors"),
        ({"train_edges": ["30"]}, "train_edges='30' needs a target with exactly one binned factor"),
        ({"one_row_per": ["look"]}, "one_row_per='look' is no column"),
    ],
)
def test_values_that_cannot_work_with_labels_are_refused(
    labels_dataset: Dataset, values: dict[str, list[Any]], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        ImageClassifier.check_values(values, labels_dataset)


def test_values_that_work_with_labels_pass(labels_dataset: Dataset, dataset: Dataset) -> None:
    usable = {"loss": [None, "bce", "soft_f1 + asymmetric"], "sampler": ["none", "weighted", "oversample"]}
    ImageClassifier.check_values({**usable, "logit_adjustment": [0.0, 1.0]}, labels_dataset)
    check_networks({"backbone": ["test_resnet"], "image_size": [32]}, labels_dataset)
    ImageClassifier.check_values({"loss": [None]}, dataset)
    with pytest.raises(TrainableError, match="loss='bce': bce is of a multi-label target"):
        ImageClassifier.check_values({"loss": ["bce"]}, dataset)


def test_a_preview_shows_every_label_in_few_rows_and_augments_those_with_a_rare_one(
    labels_dataset: Dataset,
) -> None:
    config = completed({"image_size": 32, "augment": "none", "augment_rare": "vflip(1)", "rare_share": 0.2})
    seen = preview(labels_dataset, config, 0, 4, 1, 0)
    assert seen.labels.shape == (4, len(CLASSES)) and len(set(seen.paths)) == 4
    assert set(seen.paths) <= {labels_dataset.paths[row] for row in labels_dataset.training_rows(0)}
    assert seen.labels.any(axis=0).all() and not seen.labels.all(axis=0).any()
    assert len(preview(labels_dataset, config, 0, 100, 1, 0).paths) == 48
    rare = seen.labels[:, 2] == 1
    assert 0 < rare.sum() < 4 and np.array_equal(seen.training[rare][:, 0], seen.validation[rare][:, ::-1])
    assert np.array_equal(seen.training[~rare][:, 0], seen.validation[~rare])
