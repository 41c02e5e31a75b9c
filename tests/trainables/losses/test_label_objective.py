"""The objective of a target of several labels: each a question of two answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from orchestrator.core.errors import TrainableError
from trainables.losses.class_weights import class_weights, label_weights, log_odds
from trainables.losses.objective import AnyObjective, build_objective
from trainables.losses.target_shape import TargetShape, stored_shape
from trainables.parameters import completed

COUNTS = np.array([[60, 40], [95, 5], [10, 90]])  # rows without and with each of three labels
LOSSES = ("bce", "focal_bce", "asymmetric", "soft_f1", "0.5*bce + 2*soft_f1 + asymmetric")


def objective(loss: str | None = "bce", **config: Any) -> AnyObjective:
    return build_objective(completed({"loss": loss, **config}), (3,), (False,), COUNTS, multi_label=True)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    return logits, (torch.rand(12, 3, generator=generator) < 0.4).long()


def test_outputs_are_labels_and_probabilities_their_sigmoids() -> None:
    rule, (logits, _) = objective(), batch()
    assert rule.widths == (3,) and rule.classes == 3 and rule.coral == (False,)
    found = rule.probabilities(logits.float())
    assert found.dtype == torch.float64 and torch.allclose(found, torch.sigmoid(logits), atol=1e-7)


def test_a_configuration_without_a_loss_has_the_plain_one_of_its_target() -> None:
    logits, target = batch()
    expected = F.binary_cross_entropy_with_logits(logits, target.double())
    assert float(objective(None).loss(logits, target)) == pytest.approx(float(expected), rel=1e-12)
    classes = build_objective(completed({}), (3,), (False,), None)
    labels = torch.arange(12) % 3
    assert float(classes.loss(logits, labels)) == pytest.approx(float(F.cross_entropy(logits, labels)))


@pytest.mark.parametrize("loss", LOSSES)
def test_soft_targets_of_whole_labels_are_the_labels(loss: str) -> None:
    rule, (logits, target) = objective(loss, label_smoothing=0.1, class_weights="balanced"), batch()
    value = rule.loss(logits, target)
    assert value.shape == () and float(value) == pytest.approx(float(rule.loss(logits, target.float())))


@pytest.mark.parametrize("loss", ["bce", "focal_bce", "asymmetric"])
def test_a_mixed_target_costs_the_mix_of_both(loss: str) -> None:
    rule, (logits, target) = objective(loss, class_weights="balanced"), batch()
    parts = 0.3 * rule.loss(logits, target) + 0.7 * rule.loss(logits, target.flip(0))
    mixed = 0.3 * target.double() + 0.7 * target.flip(0).double()
    assert float(rule.loss(logits, mixed)) == pytest.approx(float(parts), rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES[:4])
def test_smoothing_is_the_loss_of_smoothed_targets(loss: str) -> None:
    logits, target = batch()
    plain, smooth = objective(loss), objective(loss, label_smoothing=0.2)
    expected = plain.loss(logits, 0.8 * target.double() + 0.1)
    assert float(smooth.loss(logits, target)) == pytest.approx(float(expected), rel=1e-9)
    assert float(smooth.loss(logits, target)) != pytest.approx(float(plain.loss(logits, target)), rel=1e-3)


def test_a_mixture_is_the_weighted_sum_of_its_losses() -> None:
    logits, target = batch()
    parts = [float(objective(name).loss(logits, target)) for name in ("bce", "soft_f1", "asymmetric")]
    mixed = float(objective(LOSSES[4]).loss(logits, target))
    assert mixed == pytest.approx(0.5 * parts[0] + 2 * parts[1] + parts[2], rel=1e-12)


@pytest.mark.parametrize(
    "loss, changed",
    [
        ("focal_bce", {"focal_bce_gamma": 4.0}),
        ("focal_bce", {"focal_bce_alpha": 0.6}),
        ("asymmetric", {"asymmetric_gamma_neg": 1.0}),
        ("asymmetric", {"asymmetric_gamma_pos": 3.0}),
        ("asymmetric", {"asymmetric_clip": 0.2}),
    ],
)
def test_the_parameters_of_a_loss_reach_it(loss: str, changed: dict[str, float]) -> None:
    logits, target = batch()
    usual, other = objective(loss), objective(loss, **changed)
    assert float(usual.loss(logits, target)) != pytest.approx(float(other.loss(logits, target)), rel=1e-3)


def test_the_losses_of_several_dropout_masks_are_averaged() -> None:
    rule, (logits, target) = objective("0.5*bce + soft_f1"), batch()
    samples = torch.stack([logits, -logits, 2 * logits])
    expected = torch.stack([rule.loss(sample, target) for sample in samples]).mean()
    assert float(rule.loss(samples, target)) == pytest.approx(float(expected), rel=1e-12)


# ---- what training rows say ------------------------------------------------------------------------


def test_balanced_weights_are_torchs_pos_weight_and_one_on_average_over_the_rows() -> None:
    weights = label_weights("balanced", COUNTS)
    assert weights is not None
    assert weights[:, 1] / weights[:, 0] == pytest.approx(COUNTS[:, 0] / COUNTS[:, 1])
    assert (weights * COUNTS).sum(axis=1) == pytest.approx(100.0)
    logits, target = batch()
    weight = torch.from_numpy(weights)
    expected = F.binary_cross_entropy_with_logits(
        logits, target.double(), weight[:, 0], pos_weight=torch.from_numpy(COUNTS[:, 0] / COUNTS[:, 1])
    )
    rule = objective(class_weights="balanced")
    assert float(rule.loss(logits, target)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("name", ["inverse_sqrt", "effective"])
def test_other_weights_are_those_of_a_labels_two_classes(name: str) -> None:
    weights = label_weights(name, COUNTS, 0.9)
    assert weights is not None and label_weights("none", COUNTS) is None
    for own, counts in zip(weights, COUNTS, strict=True):
        expected = class_weights(name, counts, 0.9)
        assert expected is not None and own == pytest.approx(expected)


def test_a_label_that_no_training_row_has_keeps_the_loss_finite() -> None:
    counts = np.array([[100, 0], [50, 50], [0, 100]])
    config = completed({"class_weights": "balanced", "logit_adjustment": 1.0, "label_smoothing": 0.1})
    rule = build_objective(config, (3,), (False,), counts, multi_label=True)
    logits, target = batch()
    assert torch.isfinite(rule.loss(logits, target)) and np.isfinite(log_odds(counts)).all()


def test_logit_adjustment_adds_log_odds_in_the_loss_alone() -> None:
    rule, (logits, target) = objective(logit_adjustment=1.5), batch()
    shifted = logits + 1.5 * torch.log(torch.from_numpy(COUNTS[:, 1] / COUNTS[:, 0]))
    expected = F.binary_cross_entropy_with_logits(shifted, target.double())
    assert float(rule.loss(logits, target)) == pytest.approx(float(expected), rel=1e-9)
    assert torch.equal(rule.probabilities(logits), torch.sigmoid(logits))


def test_moving_an_objective_changes_nothing_else() -> None:
    rule, (logits, target) = objective(class_weights="balanced", logit_adjustment=1.0), batch()
    moved = rule.to(torch.device("cpu"))
    assert float(moved.loss(logits, target)) == float(rule.loss(logits, target))


def test_a_loss_that_lacks_counts_says_so_and_probabilities_need_none() -> None:
    config = completed({"class_weights": "balanced"})
    rule, (logits, target) = build_objective(config, (3,), (False,), None, multi_label=True), batch()
    assert rule.probabilities(logits).shape == (12, 3)
    with pytest.raises(TrainableError, match="class_weights='balanced' needs the class counts"):
        rule.loss(logits, target)


# ---- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "sord", "coral", "corn", "soft_f1 + focal"])
def test_a_loss_of_classes_is_refused_for_labels(loss: str) -> None:
    with pytest.raises(TrainableError, match=r"is of one class a row, and this target is multi-label; leave"):
        objective(loss)


@pytest.mark.parametrize("loss", ["bce", "focal_bce", "asymmetric", "soft_f1 + 0.5*bce"])
def test_a_loss_of_labels_is_refused_for_classes(loss: str) -> None:
    with pytest.raises(TrainableError, match=r"is of a multi-label target, and each row of this one has one"):
        build_objective(completed({"loss": loss}), (3,), (True,), None)


def test_losses_of_both_targets_cannot_be_mixed() -> None:
    with pytest.raises(TrainableError, match="focal is of classes and bce of labels, so no target has both"):
        objective("bce + focal")


def test_branches_of_labels_are_refused() -> None:
    with pytest.raises(TrainableError, match="branches=True needs a label of two factors or more"):
        objective(branches=True)


# ---- what weights say of it ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [TargetShape([4], [False]), TargetShape([2, 3], [False, True])])
def test_the_header_of_weights_of_classes_is_what_it_was(shape: TargetShape) -> None:
    assert set(shape.metadata()) == {"factors"} and stored_shape(shape.metadata(), 9) == shape


def test_the_header_of_weights_says_that_a_target_has_several_labels() -> None:
    shape = TargetShape([3], [False], multi_label=True)
    assert stored_shape(shape.metadata(), 3) == shape and len(shape.metadata()) == 1
    assert stored_shape({}, 3) == TargetShape([3], [False])  # of version 0.1
