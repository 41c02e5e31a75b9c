"""A fold run that continues from stored state equals the uninterrupted one, bit for bit, on a CPU."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.core.dataset import Dataset
from orchestrator.core.events import Leg, LegFailed
from orchestrator.core.trainable import Resources
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage import DirectoryStore
from tests.support.drawn_images import SMALL, classifier, run, same
from tests.support.links import LateLink
from trainables import image_classifier
from trainables.feed import fold_loader
from trainables.feed.placement import Memory
from trainables.image_classifier import ImageClassifier

COMBINATIONS: dict[str, dict[str, Any]] = {
    "sgd, cosine with warm-up, strong augmentation": {
        "optimizer": "sgd",
        "momentum": 0.9,
        "lr": 0.05,
        "scheduler": "cosine",
        "warmup_epochs": 1.5,
        "augment": "strong",
        "weight_decay": 1e-3,
    },
    "adam, step, weighted sampler, focal loss": {
        "optimizer": "adam",
        "scheduler": "step",
        "step_size": 1.0,
        "sampler": "weighted",
        "loss": "focal",
        "augment": "medium",
    },
    "adamw, plateau, dropout": {
        "optimizer": "adamw",
        "scheduler": "plateau",
        "step_size": 0.5,
        "gamma": 0.3,
        "lr": 0.1,
        "dropout": 0.4,
        "augment": "light",
    },
    "adamw, warm restarts, frozen at first, clipped": {
        "scheduler": "warm_restarts",
        "step_size": 1.5,
        "gamma": 0.7,
        "freeze_epochs": 2,
        "head_lr_mult": 5.0,
        "grad_clip": 0.5,
    },
    "sgd, constant, stochastic depth, label smoothing, no channels_last": {
        "optimizer": "sgd",
        "lr": 0.02,
        "scheduler": "constant",
        "drop_path": 0.5,
        "label_smoothing": 0.1,
        "channels_last": False,
        "sampler": "weighted",
    },
    "an efficientnet": {"backbone": "test_efficientnet", "drop_path": 0.2, "dropout": 0.2},
    "moving average, sharpness-aware, accumulated, layer-wise rates": {
        "ema_decay": 0.9,
        "sam_rho": 0.05,
        "accumulate": 3,
        "layer_decay": 0.7,
        "batch_size": 8,
    },
    "oversampled groups, one photo a look, mixup, rare rows augmented": {
        "sampler": "oversample_groups",
        "one_row_per": "look",
        "mix": "both",
        "augment_rare": "rotate(20) + noise(0.1)",
        "rare_share": 0.2,
        "class_weights": "effective",
    },
    "changed and mixed on the device, repeats kept there": {
        "augment_on": "device",
        "augment": "flip(0.5) + affine() + noise(0.1) + coarse_dropout()",
        "mix": "both",
        "mix_probability": 0.7,
        "validation_repeats": 1,
    },
    "multi-sample dropout in an MLP head, CORAL, other bin edges": {
        "head": "mlp",
        "head_hidden": 16,
        "dropout": 0.3,
        "dropout_samples": 3,
        "loss": "coral",
        "train_edges": "30,58",
    },
}


@pytest.mark.parametrize("config", COMBINATIONS.values(), ids=COMBINATIONS.keys())
def test_continuing_from_any_epoch_equals_never_stopping(dataset: Dataset, config: dict[str, Any]) -> None:
    whole = classifier(dataset, **config)
    states, expected = [], []
    for _ in range(4):
        expected += run(whole, 1)
        states.append(whole.state())
    for epoch in (1, 3):
        continued = classifier(dataset, **config)
        continued.load_state(states[epoch - 1])
        assert same(run(continued, 4 - epoch), expected[epoch:])
        assert continued.weights() == whole.weights()


def test_a_run_that_forgets_its_optimizer_would_be_noticed(dataset: Dataset) -> None:
    """The comparison above can fail: the same with the optimizer's memory left out differs."""
    whole = classifier(dataset)
    run(whole, 2)
    state = torch.load(io.BytesIO(whole.state()), weights_only=True)
    fresh = classifier(dataset)
    state["optimizer"]["state"] = {}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    fresh.load_state(buffer.getvalue())
    assert not same(run(fresh, 1), run(whole, 1))


def test_other_models_between_and_other_draws_change_nothing(dataset: Dataset) -> None:
    """A warm process: another fold run, and anyone drawing from the global generators, in between."""
    expected = run(classifier(dataset, augment="strong", dropout=0.3), 2)
    other = classifier(dataset, fold=1, seed=9, optimizer="sgd")
    run(other, 1)
    torch.rand(3), np.random.default_rng(1).random()
    mine = classifier(dataset, augment="strong", dropout=0.3)
    first = run(mine, 1)
    run(other, 1)
    other.close()
    assert same(first + run(mine, 1), expected)


def test_training_leaves_the_global_generators_as_they_were(dataset: Dataset) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run(classifier(dataset, dropout=0.5), 1)
    assert torch.equal(before, torch.get_rng_state())


def test_another_seed_gives_another_run(dataset: Dataset) -> None:
    assert not same(run(classifier(dataset, seed=1), 1), run(classifier(dataset, seed=2), 1))


def test_batches_made_ahead_by_threads_are_the_same_batches(dataset: Dataset) -> None:
    alone, ahead = classifier(dataset, augment="strong"), classifier(dataset, augment="strong", cpus=2)
    try:
        assert ahead._pool is not None and alone._pool is None
        for mine, theirs in zip(alone._loader.training(0), ahead._loader.training(0), strict=True):
            assert torch.equal(mine[0], theirs[0]) and torch.equal(mine[1], theirs[1])
    finally:
        ahead.close()
        torch.set_num_threads(1)


WITH_GPU = Resources(cpus=1, gpus=1.0)


def as_gpu(monkeypatch: pytest.MonkeyPatch) -> LateLink:
    """The memory of a GPU that a fold run is granted, before the network of a CPU."""
    link = LateLink()
    monkeypatch.setattr(fold_loader, "link_to", lambda _: link)
    monkeypatch.setattr(image_classifier, "device_of", lambda _: torch.device("cpu"))
    return link


@pytest.mark.parametrize("place", ["device", "pinned"])
def test_where_images_lie_changes_nothing_in_a_fold_run(
    dataset: Dataset, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU with room for the images or without, and threads or none: the same metrics and weights."""
    config: dict[str, Any] = {"augment_on": "device", "augment": "medium", "mix": "mixup"}
    expected = classifier(dataset, **config)
    results = run(expected, 2)
    free = 1 << 40 if place == "device" else 1 << 16
    link = as_gpu(monkeypatch)
    link.says = Memory(free, free)
    found = ImageClassifier(dataset, 0, {**SMALL, **config}, 4, 5, WITH_GPU)
    assert bool(link.buffers) is (place == "pinned")
    assert same(run(found, 2), results) and found.weights() == expected.weights()
    found.close()
    assert link.live == 0


def test_a_process_frees_the_images_of_one_size_before_those_of_the_next_come(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Legs of several configurations, one after another in one process, one of them failing half way."""
    link = as_gpu(monkeypatch)
    name = "trainables.image_classifier:ImageClassifier"
    worker = FoldRunWorker(dataset, name, DirectoryStore(tmp_path), WITH_GPU)
    rows = len(dataset.training_rows(0)) + len(dataset.validation_rows(0))
    for trial, (size, lr) in enumerate(((48, 1e-3), (32, 1e30), (40, 1e-3))):
        config = {**SMALL, "image_size": size, "lr": lr, "augment_on": "device"}
        worker.start(LegAssignment(Leg(trial, 0, 0, 1), config, 1, 3, None))
        outcome = worker.step()
        failed = isinstance(outcome, LegFailed)
        assert failed is (lr > 1), outcome
        assert link.live == (0 if failed else rows * size * size * 3)
    assert link.most == rows * 48 * 48 * 3  # never two sizes at once
    worker.release()
    assert link.live == 0
