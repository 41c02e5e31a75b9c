"""Nothing in a training step makes the host wait for a GPU, whatever is configured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.core.dataset import Dataset
from tests.support.drawn_images import classifier
from tests.support.no_sync import HostWaits, host_waits
from trainables.losses import LOSSES
from trainables.losses.objective import build_objective
from trainables.optimisation.train_step import in_groups
from trainables.parameters import OPTIMIZERS, completed

pytestmark = pytest.mark.torch

CLASSES = [name for name, loss in LOSSES.items() if loss.kind != "sigmoid"]
LABELS = [name for name, loss in LOSSES.items() if loss.of_labels is not None]
EVERYTHING = {"sam_rho": 0.05, "ema_decay": 0.9, "grad_clip": 0.5, "accumulate": 2, "mix": "both"}
MIXED = {"mix_probability": 1.0, "batch_size": 8, "label_smoothing": 0.1, "class_weights": "balanced"}
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {**EVERYTHING, **MIXED},
    "sharpness": {"sam_rho": 0.05},
    "clipped": {"grad_clip": 0.5},
    "frozen": {"freeze_epochs": 1},
    "dropout": {"dropout": 0.3, "dropout_samples": 3, "drop_path": 0.2, "head": "mlp"},
}


def waits_of_a_step(dataset: Dataset, **config: Any) -> dict[str, int]:
    """Of the second step of a first epoch: the first makes what a run makes once."""
    trained = classifier(dataset, **config)
    trained._network.freeze_backbone(trained._config["freeze_epochs"] > 0)
    trained._network.train()
    steps = in_groups(trained._loader.training(0), trained._accumulate)
    trained._step(next(steps))
    trained._after(1)
    batches = next(steps)
    return dict(host_waits(lambda: (trained._step(batches), trained._after(2))))


@pytest.mark.parametrize("loss", CLASSES)
@pytest.mark.parametrize("way", ["plain", "everything"])
def test_no_loss_of_classes_waits(dataset: Dataset, loss: str, way: str) -> None:
    assert waits_of_a_step(dataset, loss=loss, **WAYS[way]) == {}


@pytest.mark.parametrize("loss", LABELS)
@pytest.mark.parametrize("way", ["plain", "everything"])
def test_no_loss_of_labels_waits(labels_dataset: Dataset, loss: str, way: str) -> None:
    assert waits_of_a_step(labels_dataset, loss=loss, **WAYS[way]) == {}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS)
def test_no_optimizer_and_no_technique_waits(dataset: Dataset, optimizer: str, way: str) -> None:
    assert waits_of_a_step(dataset, optimizer=optimizer, **WAYS[way]) == {}


def test_a_mixture_with_adjusted_logits_does_not_wait(dataset: Dataset) -> None:
    loss = "0.4*soft_f1 + 0.3*focal + 0.3*sord"
    assert waits_of_a_step(dataset, loss=loss, logit_adjustment=1.0, class_weights="effective") == {}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", ["plain", "clipped", "sharpness"])
def test_a_gradient_scaler_does_not_wait_for_fused_optimizers(
    dataset: Dataset, optimizer: str, way: str
) -> None:
    """What float16 needs: the fused kernels skip an overflowing step themselves, so nobody looks."""
    trained = classifier(dataset, optimizer=optimizer, **WAYS[way])
    step = trained._step
    step._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**6)
    batches = [next(trained._loader.training(0))]
    step(batches)
    assert host_waits(lambda: step(batches)) == {}


def test_an_epoch_looks_at_its_losses_once_in_check_every_steps(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of an epoch as a GPU has them, but for 4 in place of CHECK_EVERY."""
    trained = classifier(dataset, batch_size=4, optimizer="sgd")
    trained._look_every = 4
    looks: list[tuple[int, int]] = []
    original = trained._check_finite
    monkeypatch.setattr(
        trained, "_check_finite", lambda some, step: (looks.append((len(some), step)), original(some, step))
    )
    with HostWaits() as waits:
        trained._train_epoch()
    assert trained._steps == 12
    assert looks == [(4, 3), (4, 7), (4, 11)]
    # The mean, once; a look's own copy is `.cpu()`, nothing on a CPU; the loader makes tensors.
    assert waits.seen["_local_scalar_dense"] == 1 and set(waits.seen) <= {"_local_scalar_dense", "lift_fresh"}


@pytest.mark.parametrize(
    ("waiting", "name"),
    [
        (lambda x: float(x.sum()), "_local_scalar_dense"),
        (lambda x: x.sum() > 0 or None, "_local_scalar_dense"),
        (lambda x: x[x > 0], "index by a boolean mask"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x * torch.tensor(2.0), "lift_fresh"),
        (lambda x: torch.nn.functional.one_hot(x.long(), 3), "_local_scalar_dense"),
    ],
)
def test_what_waits_is_seen(waiting: Callable[[torch.Tensor], object], name: str) -> None:
    assert host_waits(lambda: waiting(torch.ones(4)))[name] > 0


@pytest.mark.parametrize("loss", CLASSES)
def test_a_loss_never_peeks_at_values(loss: str) -> None:
    """On tensors without values whatever looks at one raises."""
    config = completed({"loss": loss, "label_smoothing": 0.1, "class_weights": "balanced"})
    objective = build_objective(config, [3], [True], np.array([5, 3, 1])).to(torch.device("meta"))
    outputs = torch.empty(6, objective.widths[0], device="meta", requires_grad=True)
    for target in (torch.empty(6, dtype=torch.int64, device="meta"), torch.empty(6, 3, device="meta")):
        value = objective.loss(outputs, target)
        value.backward()
        assert value.device.type == "meta" and value.shape == ()
        assert objective.probabilities(outputs).shape == (6, 3)
