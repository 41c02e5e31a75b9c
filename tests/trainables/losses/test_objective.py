from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from orchestrator.core.errors import TrainableError
from trainables.losses.objective import Objective, build_objective, check_loss
from trainables.parameters import completed

COUNTS = np.array([60, 25, 10, 5], np.int64)
LOSSES = ("cross_entropy", "focal", "soft_f1", "sord", "coral", "corn", "0.4*soft_f1 + 0.6*focal")


def objective(loss: str = "cross_entropy", **config: Any) -> Objective:
    """Of four ordered classes."""
    return build_objective(completed({"loss": loss, **config}), (4,), (True,), COUNTS)


def branches(loss: str = "cross_entropy", **config: Any) -> Objective:
    """Of two classes without order times three with."""
    counts = np.array([4, 2, 1, 8, 10, 5], np.int64)
    config = completed({"loss": loss, "branches": True, **config})
    return build_objective(config, (2, 3), (False, True), counts)


def batch(rule: Objective, count: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(count, sum(rule.widths), generator=generator, dtype=torch.float64)
    return outputs, torch.arange(count) % rule.classes


# ---- targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("make", [objective, branches])
@pytest.mark.parametrize("loss", LOSSES)
def test_soft_targets_of_whole_classes_are_class_targets(
    make: Any, loss: str, weights: str, smoothing: float
) -> None:
    rule = make(loss, class_weights=weights, label_smoothing=smoothing)
    outputs, labels = batch(rule)
    rows = F.one_hot(labels, rule.classes).float()
    hard, soft = rule.loss(outputs, labels), rule.loss(outputs, rows)
    assert hard.shape == () and float(hard) > 0.0 and float(hard) == pytest.approx(float(soft), rel=1e-12)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "corn"])
def test_smoothing_is_the_loss_of_smoothed_targets(loss: str) -> None:
    plain, smooth = objective(loss), objective(loss, label_smoothing=0.2)
    outputs, labels = batch(plain)
    rows = F.one_hot(labels, 4) * 0.8 + 0.05
    assert float(smooth.loss(outputs, labels)) == pytest.approx(float(plain.loss(outputs, rows)), rel=1e-6)
    assert float(smooth.loss(outputs, labels)) != pytest.approx(float(plain.loss(outputs, labels)), rel=1e-3)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "sord", "coral"])
def test_a_mixed_target_costs_the_mix_of_both(loss: str) -> None:
    rule = objective(loss)
    outputs, labels = batch(rule)
    rows = F.one_hot(labels, 4).double()
    parts = 0.3 * rule.loss(outputs, labels) + 0.7 * rule.loss(outputs, labels.flip(0))
    assert float(rule.loss(outputs, 0.3 * rows + 0.7 * rows.flip(0))) == pytest.approx(float(parts), rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_gradients_are_finite_however_sure_the_network_is(loss: str, size: float) -> None:
    rule = objective(loss, class_weights="effective", label_smoothing=0.1)
    outputs, labels = batch(rule)
    logits = (outputs.float() * size).requires_grad_(True)
    value = rule.loss(logits, labels)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value) and torch.isfinite(gradient).all()
    assert size > 1.0 or (gradient.abs().sum(dim=1) > 0).all()


def test_corn_takes_smoothed_targets_and_divides_by_the_tasks_of_whole_ones() -> None:
    plain, smooth = objective("corn"), objective("corn", label_smoothing=0.2)
    outputs, labels = batch(plain)
    shares = F.one_hot(labels, 4) * 0.8 + 0.05
    total = -(shares * plain.probabilities(outputs).log()).sum()
    tasks = torch.tensor([1, 2, 3, 3])[labels].sum()
    assert float(smooth.loss(outputs, labels)) == pytest.approx(float(total / tasks), rel=1e-6)


def test_a_mixture_is_the_weighted_sum_of_its_losses() -> None:
    outputs, labels = batch(objective())
    parts = [objective(name).loss(outputs, labels) for name in ("soft_f1", "focal", "sord")]
    mixed = objective("0.4*soft_f1 + 0.6*focal + sord").loss(outputs, labels)
    assert float(mixed) == pytest.approx(float(0.4 * parts[0] + 0.6 * parts[1] + parts[2]), rel=1e-12)


def test_the_parameters_of_a_loss_reach_it() -> None:
    outputs, labels = batch(objective())
    for loss, config in (("focal", {"focal_gamma": 4.0}), ("sord", {"sord_scale": 3.0})):
        usual, changed = objective(loss), objective(loss, **config)
        assert float(usual.loss(outputs, labels)) != pytest.approx(float(changed.loss(outputs, labels)))


@pytest.mark.parametrize("loss", ["soft_f1", "corn"])
def test_the_losses_of_several_dropout_masks_are_averaged(loss: str) -> None:
    rule = objective(loss)
    outputs, labels = batch(rule)
    samples = torch.stack([outputs, -outputs, 2 * outputs])
    expected = torch.stack([rule.loss(sample, labels) for sample in samples]).mean()
    assert float(rule.loss(samples, labels)) == pytest.approx(float(expected), rel=1e-12)


# ---- class weights and priors ----------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_cross_entropy_is_torchs(smoothing: float) -> None:
    rule = objective(class_weights="balanced", label_smoothing=smoothing)
    outputs, labels = batch(rule)
    weights = torch.from_numpy(
        compute_class_weight("balanced", classes=np.arange(4), y=np.repeat(range(4), COUNTS))
    )
    expected = F.cross_entropy(outputs, labels, weights, label_smoothing=smoothing)
    assert float(rule.loss(outputs, labels)) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("loss", ["focal", "sord", "coral", "corn"])
def test_a_weighted_loss_is_the_weighted_mean_over_rows(loss: str) -> None:
    plain, weighted = objective(loss), objective(loss, class_weights="inverse_sqrt")
    outputs, labels = batch(plain)
    tasks = torch.tensor([1.0, 2.0, 3.0, 3.0])[labels] if loss == "corn" else torch.ones(len(labels))
    w = torch.from_numpy(COUNTS**-0.5)[labels] * tasks
    rows = torch.stack([plain.loss(outputs[i : i + 1], labels[i : i + 1]) for i in range(len(labels))])
    expected = float((w * rows).sum() / w.sum())
    assert float(weighted.loss(outputs, labels)) == pytest.approx(expected, rel=1e-9)
    assert float(plain.loss(outputs, labels)) != pytest.approx(expected, rel=1e-3)


def test_soft_f1_ignores_class_weights() -> None:
    plain, weighted = objective("soft_f1"), objective("soft_f1", class_weights="balanced")
    outputs, labels = batch(plain)
    assert float(plain.loss(outputs, labels)) == float(weighted.loss(outputs, labels))


def test_logit_adjustment_adds_the_log_prior_in_the_loss_alone() -> None:
    rule = objective(logit_adjustment=1.5)
    outputs, labels = batch(rule)
    shifted = outputs + 1.5 * torch.log(torch.from_numpy(COUNTS / COUNTS.sum()))
    assert float(rule.loss(outputs, labels)) == pytest.approx(
        float(F.cross_entropy(shifted, labels)), rel=1e-9
    )
    assert torch.equal(rule.probabilities(outputs), torch.softmax(outputs, dim=1))


def test_a_loss_that_lacks_counts_says_so_and_probabilities_need_none() -> None:
    for name, config in (
        ("class_weights", {"class_weights": "balanced"}),
        ("logit_", {"logit_adjustment": 1.0}),
    ):
        rule = build_objective(completed(config), (4,), (False,), None)
        outputs, labels = batch(rule)
        assert rule.probabilities(outputs).shape == (12, 4)
        with pytest.raises(TrainableError, match=f"{name}.* needs the class counts of the training rows"):
            rule.loss(outputs, labels)


def test_moving_an_objective_changes_nothing_else() -> None:
    rule = objective(class_weights="balanced", logit_adjustment=1.0)
    outputs, labels = batch(rule)
    moved = rule.to(torch.device("cpu"))
    assert float(moved.loss(outputs, labels)) == float(rule.loss(outputs, labels))


# ---- what outputs mean -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [objective, branches])
@pytest.mark.parametrize("loss", LOSSES)
def test_probabilities_are_of_the_joint_classes_and_sum_to_one(make: Any, loss: str) -> None:
    rule = make(loss)
    outputs, _ = batch(rule)
    rows = rule.probabilities(outputs.float() * 5)
    assert rows.shape == (12, rule.classes) and rows.dtype == torch.float64 and (rows >= 0).all()
    assert rows.sum(dim=1).numpy() == pytest.approx(1.0, abs=1e-12)


def test_outputs_are_as_wide_as_the_loss_asks() -> None:
    assert [objective(loss).widths for loss in ("focal", "coral", "corn")] == [(4,), (3,), (3,)]
    assert branches().widths == (2, 3) and branches("corn").widths == (2, 2)
    assert branches("coral").coral == (False, True) and branches("corn").coral == (False, False)
    plain = build_objective(completed({}), (2, 3), (False, True), None)
    assert plain.widths == (6,) and plain.classes == branches().classes == 6


def test_joint_probabilities_are_products_the_first_factor_most_significant() -> None:
    outputs, _ = batch(branches())
    first, second = torch.softmax(outputs[:, :2], 1), torch.softmax(outputs[:, 2:], 1)
    rows = branches().probabilities(outputs)
    for label in range(6):
        assert torch.allclose(rows[:, label], first[:, label // 3] * second[:, label % 3])


def test_the_loss_of_branches_is_the_mean_over_factors() -> None:
    outputs, labels = batch(branches())
    expected = (
        F.cross_entropy(outputs[:, :2], labels // 3) + F.cross_entropy(outputs[:, 2:], labels % 3)
    ) / 2
    assert float(branches().loss(outputs, labels)) == pytest.approx(float(expected), rel=1e-9)


def test_soft_joint_targets_are_summed_to_each_factor() -> None:
    outputs, _ = batch(branches())
    rows = torch.softmax(torch.randn(12, 6, generator=torch.Generator().manual_seed(3)).double(), dim=1)
    first, second = rows.reshape(12, 2, 3).sum(dim=2), rows.reshape(12, 2, 3).sum(dim=1)
    expected = (F.cross_entropy(outputs[:, :2], first) + F.cross_entropy(outputs[:, 2:], second)) / 2
    assert float(branches().loss(outputs, rows)) == pytest.approx(float(expected), rel=1e-9)


def test_weights_and_priors_of_a_branch_are_those_of_its_factor() -> None:
    first, second = np.array([7, 23]), np.array([12, 12, 6])
    rule = branches(class_weights="balanced", logit_adjustment=1.0)
    outputs, labels = batch(rule)
    parts = []
    for logits, target, counts in (
        (outputs[:, :2], labels // 3, first),
        (outputs[:, 2:], labels % 3, second),
    ):
        shifted = logits + torch.log(torch.from_numpy(counts / 30))
        parts.append(F.cross_entropy(shifted, target, torch.from_numpy(1.0 / counts)))
    assert float(rule.loss(outputs, labels)) == pytest.approx(float(sum(parts)) / 2, rel=1e-9)


def test_an_ordinal_loss_is_of_the_ordered_branch_and_cross_entropy_of_the_other() -> None:
    rule = branches("corn", logit_adjustment=1.0)
    outputs, labels = batch(rule)
    shifted = outputs[:, :2] + torch.log(torch.tensor([7.0, 23.0]) / 30)
    ordered = build_objective(completed({"loss": "corn"}), (3,), (True,), None)
    expected = (F.cross_entropy(shifted, labels // 3) + ordered.loss(outputs[:, 2:], labels % 3)) / 2
    assert float(rule.loss(outputs, labels)) == pytest.approx(float(expected), rel=1e-6)


# ---- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["sord", "coral", "corn", "focal + sord"])
def test_an_ordinal_loss_of_classes_without_order_is_refused(loss: str) -> None:
    config = completed({"loss": loss})
    with pytest.raises(TrainableError, match=r"needs a target of ordered classes.*; use cross_entropy"):
        build_objective(config, (4,), (False,), COUNTS)
    with pytest.raises(TrainableError, match="set branches=True or use cross_entropy"):
        build_objective(config, (2, 2), (True, True), COUNTS)
    with pytest.raises(TrainableError, match="needs a target of ordered classes"):
        build_objective({**config, "branches": True}, (2, 2), (False, False), COUNTS)


def test_branches_of_a_single_factor_are_refused() -> None:
    with pytest.raises(TrainableError, match="branches=True needs a label of two factors or more"):
        objective(branches=True)


def test_a_loss_is_checked_without_data() -> None:
    for loss in LOSSES:
        check_loss(completed({"loss": loss}))
    with pytest.raises(TrainableError, match="loss='hinge'"):
        check_loss(completed({"loss": "hinge"}))
    with pytest.raises(TrainableError, match=r"logit_adjustment=1\.0 shifts the logits of a softmax"):
        check_loss(completed({"loss": "corn", "logit_adjustment": 1.0}))
