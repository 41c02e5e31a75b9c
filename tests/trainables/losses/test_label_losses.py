"""Losses of a multi-label target, against torch, torchvision, timm and formulas written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from timm.loss import AsymmetricLossMultiLabel
from torch import Tensor

from trainables.losses.asymmetric import asymmetric_terms
from trainables.losses.bce import bce_terms
from trainables.losses.focal_bce import focal_bce_terms
from trainables.losses.reduction import label_mean, smoothed_labels
from trainables.losses.soft_f1 import soft_f1_of_labels


def batch(rows: int = 20, labels: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(rows, labels, generator=generator, dtype=torch.float64) * 3
    return logits, (torch.rand(rows, labels, generator=generator) < 0.3).double()


def test_bce_is_torchs() -> None:
    logits, target = batch()
    expected = F.binary_cross_entropy_with_logits(logits, target)
    assert float(label_mean(bce_terms(logits), target)) == pytest.approx(float(expected), rel=1e-12)


def test_weights_of_absent_and_present_labels_are_torchs_weight_and_pos_weight() -> None:
    logits, target = batch()
    weights = torch.tensor([[0.6, 3.0], [1.0, 1.0], [0.9, 1.2], [2.0, 0.5], [1.0, 0.0]]).double()
    expected = F.binary_cross_entropy_with_logits(
        logits, target, weights[:, 0], pos_weight=weights[:, 1] / weights[:, 0]
    )
    assert float(label_mean(bce_terms(logits), target, weights)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("gamma, alpha", [(2.0, 0.25), (0.0, 0.5), (3.5, 0.8)])
def test_focal_bce_is_torchvisions(gamma: float, alpha: float) -> None:
    ops = pytest.importorskip("torchvision.ops")
    logits, target = batch()
    expected = ops.sigmoid_focal_loss(logits, target, alpha, gamma, reduction="mean")
    found = label_mean(focal_bce_terms(logits, gamma, alpha), target)
    assert float(found) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize(
    "numbers", [(4.0, 1.0, 0.05), (4.0, 1.0, 0.0), (2.0, 0.0, 0.2), (0.0, 0.0, 0.0), (1.0, 3.0, 0.05)]
)
def test_asymmetric_is_timms_per_label(numbers: tuple[float, float, float]) -> None:
    logits, target = batch()
    one_row = (part.reshape(1, -1) for part in batch())  # whose sum every version of timm gives
    expected = float(AsymmetricLossMultiLabel(*numbers)(*one_row)) / logits.numel()
    found = label_mean(asymmetric_terms(logits, *numbers), target)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_asymmetric_without_focus_and_margin_is_binary_cross_entropy() -> None:
    logits, _ = batch()
    assert torch.allclose(asymmetric_terms(logits, 0.0, 0.0, 0.0), bce_terms(logits), rtol=1e-12)


def test_an_absent_label_below_the_margin_costs_nothing() -> None:
    absent = asymmetric_terms(torch.tensor([[-4.0, -2.0]]), 4.0, 1.0, 0.05)[0, :, 0]
    assert float(absent[0]) == pytest.approx(0.0, abs=1e-30)  # sigmoid(-4) is 0.018, sigmoid(-2) is 0.119
    assert float(absent[1]) == pytest.approx(-(0.069203**4) * math.log(1 - 0.069203), rel=1e-3)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_gradients_are_finite_where_the_network_is_sure_and_point_back_where_it_is_wrong(
    gamma: float, clip: float
) -> None:
    logits = torch.tensor([[-200.0, -30.0, 0.0, 30.0, 200.0]], requires_grad=True)
    for terms in (
        asymmetric_terms(logits, gamma, gamma, clip),
        focal_bce_terms(logits, gamma, 0.25),
        bce_terms(logits),
    ):
        assert torch.isfinite(terms).all() and (terms >= 0).all()
        for answer, sign in ((0, 1), (1, -1)):
            (slope,) = torch.autograd.grad(terms[..., answer].sum(), logits, retain_graph=True)
            assert torch.isfinite(slope).all() and (slope * sign >= 0).all()
        (lacking,) = torch.autograd.grad(terms[..., 1].sum(), logits, retain_graph=True)
        assert (lacking[0, :3] < 0).all()  # a present label that is thought absent is always learnt


def test_soft_f1_of_labels_is_the_formula_over_labels_that_the_batch_has() -> None:
    logits, target = batch()
    target[:, 3] = 0.0
    p, values = torch.sigmoid(logits), []
    for label in (0, 1, 2, 4):
        hits = (p[:, label] * target[:, label]).sum()
        false = (p[:, label] * (1 - target[:, label])).sum()
        missed = ((1 - p[:, label]) * target[:, label]).sum()
        values.append(2 * hits / (2 * hits + false + missed))
    expected = 1 - float(torch.stack(values).mean())
    assert float(soft_f1_of_labels(logits, target)) == pytest.approx(expected, rel=1e-9)


def test_soft_f1_of_a_batch_without_labels_costs_nothing_and_has_a_gradient() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    loss = soft_f1_of_labels(logits, torch.zeros(4, 3))
    (slope,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0.0 and torch.equal(slope, torch.zeros(4, 3))


def test_smoothing_is_even_over_present_and_absent() -> None:
    logits, target = batch()
    expected = F.binary_cross_entropy_with_logits(logits, 0.8 * target + 0.1)
    found = label_mean(bce_terms(logits), smoothed_labels(target, 0.2))
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    assert smoothed_labels(target, 0.0) is target
