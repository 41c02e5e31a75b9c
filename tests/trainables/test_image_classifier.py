from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.errors import InputError, NonFiniteError, TrainableError
from orchestrator.core.metrics import METRICS, applicable, score
from tests.support.drawn_images import classifier, run, with_fold_poisoned
from trainables.image_classifier import ImageClassifier
from trainables.losses.target_shape import target_shape


def test_it_learns_what_can_be_learned(dataset: Dataset) -> None:
    trained = classifier(dataset, epochs=6, scheduler="cosine")
    history = [metrics for metrics, _ in run(trained, 6)]
    assert history[-1]["macro_f1"] > 0.9
    assert history[-1]["loss_train"] < history[0]["loss_train"]


def test_metrics_are_those_of_the_probabilities(dataset: Dataset) -> None:
    trained = classifier(replace(dataset, metric="accuracy"))
    metrics = trained.run_epoch()
    probabilities, labels = trained.probabilities(), dataset.labels[dataset.validation_rows(0)]
    assert set(metrics) - set(METRICS) == {"loss_train", "loss_val", "lr", "images_per_second"}
    assert set(applicable(dataset.task)) == set(metrics) & set(METRICS) > {"macro_f1", "accuracy"}
    assert all(np.isfinite(value) and isinstance(value, float) for value in metrics.values())
    assert probabilities.shape == (len(labels), 3) and probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    for name in ("macro_f1", "accuracy"):
        assert metrics[name] == score(name, labels, probabilities)
    of_truth = probabilities[np.arange(len(labels)), labels]
    assert metrics["loss_val"] == pytest.approx(float(-np.log(of_truth).mean()), rel=1e-4)


def test_a_poisoned_training_row_does_change_the_weights(dataset: Dataset, tmp_path: Path) -> None:
    poisoned = with_fold_poisoned(dataset, 1, tmp_path / "poisoned")
    clean, other = classifier(dataset), classifier(poisoned)
    run(clean, 1), run(other, 1)
    assert clean.weights() != other.weights()


def test_rows_of_role_extra_are_trained_on_and_never_validated(dataset: Dataset) -> None:
    folds = dataset.folds.copy()
    folds[folds == 2] = -1
    extra = replace(dataset, folds=folds)
    trained = classifier(extra)
    run(trained, 1)
    assert trained.probabilities().shape[0] == len(dataset.validation_rows(0))
    whole = classifier(dataset)
    run(whole, 1)
    assert trained.weights() == whole.weights()


def test_a_frozen_backbone_stays_as_it_was_for_freeze_epochs(dataset: Dataset) -> None:
    trained = classifier(dataset, freeze_epochs=2)
    backbones = []
    for _ in range(4):
        backbones.append(_backbone(trained))
        trained.run_epoch()
    assert _same_tensors(backbones[0], backbones[1]) and _same_tensors(backbones[1], backbones[2])
    assert not _same_tensors(backbones[2], backbones[3])


def _backbone(trained: ImageClassifier) -> dict[str, torch.Tensor]:
    return {key: value for key, value in load(trained.weights()).items() if key.startswith("backbone.")}


def _same_tensors(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(left[key], right[key]) for key in left)


def test_a_loss_that_is_not_finite_names_epoch_step_and_lr(dataset: Dataset) -> None:
    trained = classifier(dataset, optimizer="sgd", lr=1e30, scheduler="constant")
    with pytest.raises(NonFiniteError, match=r"epoch 1, step \d of 4, fold 0, lr 1e\+30"):
        trained.run_epoch()


def test_clipped_gradients_move_weights_less(dataset: Dataset) -> None:
    def moved(**config: Any) -> float:
        trained = classifier(dataset, optimizer="sgd", lr=0.1, momentum=0.0, **config)
        before = load(trained.weights())["head.linear.weight"]
        trained.run_epoch()
        return float((load(trained.weights())["head.linear.weight"] - before).norm())

    assert moved(grad_clip=1e-3) < 4 * 0.1 * 1e-3 * 1.01 < moved()  # 4 steps of at most lr * clip


def test_a_fold_without_rows_is_refused(dataset: Dataset) -> None:
    with pytest.raises(TrainableError, match="fold 7 has 72 training and 0 validation rows"):
        classifier(dataset, fold=7)


def test_an_unknown_parameter_is_refused_by_name(dataset: Dataset) -> None:
    with pytest.raises(TrainableError, match="'learning_rate'"):
        classifier(dataset, learning_rate=0.1)


def test_state_is_tensors_and_plain_types(dataset: Dataset) -> None:
    trained = classifier(dataset, scheduler="plateau")
    trained.run_epoch()
    state = torch.load(io.BytesIO(trained.state()), weights_only=True)
    assert set(state) == {"network", "optimizer", "schedule", "scaler", "average", "epoch"}
    assert state["epoch"] == 1


def test_probabilities_before_the_first_epoch_are_an_error(dataset: Dataset) -> None:
    with pytest.raises(RuntimeError, match="before the first"):
        classifier(dataset).probabilities()


def test_a_closed_classifier_lets_go_of_its_model(dataset: Dataset) -> None:
    trained = classifier(dataset, cpus=2)
    trained.run_epoch()
    pool = trained._pool
    trained.close()
    torch.set_num_threads(1)
    assert pool is not None and pool._shutdown
    assert not any(isinstance(value, torch.nn.Module) for value in vars(trained).values())


def test_prepare_checks_names_and_sizes_before_it_decodes(dataset: Dataset) -> None:
    def prepare(**values: Sequence[Any]) -> None:
        ImageClassifier.prepare(dataset, {"backbone": ["test_resnet"], "image_size": [32], **values})

    prepare()
    with pytest.raises(TrainableError, match="backbone='rasnet18'"):
        prepare(backbone=["test_resnet", "rasnet18"])
    with pytest.raises(TrainableError, match="image_size=16"):
        prepare(backbone=["inception_v3"], image_size=[16, 32])


def test_prepare_builds_a_store_for_each_size_under_one_progress(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    own = replace(dataset, cache_dir=str(tmp_path))
    ImageClassifier.prepare(
        own, {"backbone": ["test_resnet"], "image_size": [32, 40, 32]}, lambda d, t: seen.append((d, t))
    )
    assert len(list(tmp_path.glob("*.npy"))) == 2
    assert seen == sorted(seen) and seen[-1] == (144, 144)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("amp", [True, False])
def test_on_a_gpu_it_learns_and_frees_its_memory(dataset: Dataset, amp: bool) -> None:
    from orchestrator.core.trainable import Resources
    from tests.support.drawn_images import SMALL

    config = {**SMALL, "amp": amp, "augment": "medium"}
    trained = ImageClassifier(dataset, 0, config, 6, 5, Resources(cpus=2, gpus=0.5))
    assert [trained.run_epoch() for _ in range(6)][-1]["macro_f1"] > 0.9
    state = trained.state()
    trained.load_state(state)
    trained.run_epoch()
    trained.close()
    assert torch.cuda.memory_allocated() < 2**20


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"one_row_per": ["", "shoes"]}, "one_row_per='shoes' is no column"),
        ({"train_edges": [None, "58"]}, "train_edges='58' has 1 edges"),
        ({"branches": [True]}, "branches"),
        ({"loss": ["corn"], "logit_adjustment": [1.0]}, "logit_adjustment"),
        ({"scheduler": ["cosine", "plateau"], "gamma": [1.0]}, "gamma=1"),
        ({"preprocess": ["", "box(0.3)"]}, "box_left"),
        ({"validation_repeats": [0, 2]}, "cannot be searched"),
        ({"augment_rare": ["", "spin(3)"]}, "augment_rare='spin"),
    ],
)
def test_values_that_can_never_work_are_refused_before_anything_runs(
    dataset: Dataset, values: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ImageClassifier.prepare(dataset, {"backbone": ["test_resnet"], "image_size": [32], **values})


def test_values_that_work_in_some_combination_are_not_refused(dataset: Dataset) -> None:
    values = {
        "loss": ["cross_entropy", "corn"],
        "logit_adjustment": [0.0, 1.0],
        "scheduler": ["plateau", "cosine"],
        "gamma": [0.5, 1.0],
        "sampler": ["none", "oversample_groups"],
        "one_row_per": ["", "look"],
    }
    ImageClassifier.check_values(values, dataset)


def test_an_ordinal_loss_needs_an_order(dataset: Dataset) -> None:
    plain = replace(dataset, factors=())
    with pytest.raises(InputError, match="loss='coral' needs a target of ordered classes"):
        ImageClassifier.check_values({"loss": ["cross_entropy", "coral"]}, plain)


def test_classes_that_stand_in_an_order_without_bins_take_the_losses_of_an_order(dataset: Dataset) -> None:
    graded = replace(dataset, factors=(Factor("grade", dataset.classes, "age", ordered=True),))
    ImageClassifier.check_values({"loss": ["coral", "corn", "sord"]}, graded)
    assert target_shape(graded) == ([3], [True], False)
    with pytest.raises(InputError, match="train_edges='30' needs a target with exactly one binned factor"):
        ImageClassifier.check_values({"train_edges": ["30"]}, graded)
