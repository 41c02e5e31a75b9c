from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import log_loss

from orchestrator.errors import TrainableError
from trainables.losses import build_loss, cross_entropy, focal, soft_targets
from trainables.parameters import completed


def logits_and_labels(classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(30, classes, generator=generator, dtype=torch.float64) * 3
    return logits, torch.randint(0, classes, (30,), generator=generator)


def focal_by_hand(logits: np.ndarray, rows: np.ndarray, gamma: float) -> float:
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(np.mean((-rows * (1 - p) ** gamma * np.log(p)).sum(axis=1)))


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    logits, labels = logits_and_labels()
    expected = log_loss(labels.numpy(), torch.softmax(logits, 1).numpy())
    assert float(cross_entropy(logits, labels)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_targets_of_whole_classes_are_class_targets(smoothing: float) -> None:
    logits, labels = logits_and_labels()
    rows = F.one_hot(labels, 4).double()
    for loss in (cross_entropy, focal):
        hard, soft = (
            loss(logits, labels, label_smoothing=smoothing),
            loss(logits, rows, label_smoothing=smoothing),
        )
        assert float(hard) == pytest.approx(float(soft), rel=1e-6)


def test_smoothed_cross_entropy_is_cross_entropy_of_smoothed_targets() -> None:
    logits, labels = logits_and_labels()
    rows = soft_targets(labels, 4, smoothing=0.2).double()
    assert rows.sum(dim=1).numpy() == pytest.approx(1.0)
    expected = F.cross_entropy(logits, rows)
    assert float(cross_entropy(logits, labels, 0.2)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_is_its_formula(gamma: float, smoothing: float) -> None:
    logits, labels = logits_and_labels()
    rows = np.eye(4)[labels.numpy()] * (1 - smoothing) + smoothing / 4
    expected = focal_by_hand(logits.numpy(), rows, gamma)
    assert float(focal(logits, labels, gamma, smoothing)) == pytest.approx(expected, rel=1e-6)


def test_focal_without_gamma_is_cross_entropy() -> None:
    logits, labels = logits_and_labels()
    assert float(focal(logits, labels, 0.0)) == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-9)


def test_focal_of_mixed_targets_lies_between_its_parts() -> None:
    logits, labels = logits_and_labels()
    rows = F.one_hot(labels, 4).double()
    mixed = focal(logits, 0.3 * rows + 0.7 * rows.flip(0))
    parts = 0.3 * focal(logits, rows) + 0.7 * focal(logits, rows.flip(0))
    assert float(mixed) == pytest.approx(float(parts), rel=1e-6)


def test_gradients_stay_finite_where_the_network_is_sure() -> None:
    logits = torch.tensor([[60.0, -60.0], [-60.0, 60.0]], requires_grad=True)
    focal(logits, torch.tensor([0, 0]), gamma=0.5).backward()
    assert torch.isfinite(logits.grad).all()


def test_a_configuration_names_its_loss() -> None:
    logits, labels = logits_and_labels()
    config = completed({"loss": "focal", "focal_gamma": 3.0, "label_smoothing": 0.1})
    assert float(build_loss(config)(logits, labels)) == float(focal(logits, labels, 3.0, 0.1))
    with pytest.raises(TrainableError, match="loss='hinge'"):
        build_loss({**config, "loss": "hinge"})
