from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, log_loss
from torch import Tensor

from orchestrator.core.errors import TrainableError
from trainables.losses.cross_entropy import cross_entropy_terms
from trainables.losses.focal import focal_terms
from trainables.losses.mixture_text import SOFTMAX, Term, cumulative, for_factor, parse_loss
from trainables.losses.reduction import smoothed, soft_targets, weighted_mean
from trainables.losses.soft_f1 import soft_f1

CLASSES = 4


def logits_and_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(30, CLASSES, generator=generator, dtype=torch.float64) * 3
    return logits, torch.randint(0, CLASSES, (30,), generator=generator)


def mean_of(terms: Tensor, target: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> float:
    rows = soft_targets(target, CLASSES, torch.float64)
    return float(weighted_mean(terms, rows, smoothed(rows, smoothing), weights))


# ---- means over rows -------------------------------------------------------------------------------


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    logits, labels = logits_and_labels()
    expected = log_loss(labels.numpy(), torch.softmax(logits, 1).numpy())
    assert mean_of(cross_entropy_terms(logits), labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 0.0, 3.0]])
def test_weights_and_smoothing_are_those_of_torchs_cross_entropy(
    smoothing: float, weights: list[float] | None
) -> None:
    logits, labels = logits_and_labels()
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    expected = F.cross_entropy(logits, labels, weight, label_smoothing=smoothing)
    assert mean_of(cross_entropy_terms(logits), labels, smoothing, weight) == pytest.approx(float(expected))


def test_a_mixed_row_is_the_mix_of_its_two_labels() -> None:
    logits, labels = logits_and_labels()
    rows = F.one_hot(labels, CLASSES).double()
    terms = cross_entropy_terms(logits)
    parts = 0.3 * mean_of(terms, labels) + 0.7 * mean_of(terms, labels.flip(0))
    assert mean_of(terms, 0.3 * rows + 0.7 * rows.flip(0)) == pytest.approx(parts, rel=1e-9)


def test_a_batch_of_weightless_classes_alone_costs_nothing() -> None:
    logits, _ = logits_and_labels()
    weights = torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    assert mean_of(cross_entropy_terms(logits), torch.zeros(30, dtype=torch.int64), weights=weights) == 0.0


def test_smoothed_rows_keep_their_sum() -> None:
    rows = smoothed(soft_targets(torch.tensor([2]), CLASSES), 0.2)
    assert rows[0].tolist() == pytest.approx([0.05, 0.05, 0.85, 0.05])


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_is_its_formula(gamma: float, smoothing: float) -> None:
    logits, labels = logits_and_labels()
    rows = np.eye(CLASSES)[labels.numpy()] * (1 - smoothing) + smoothing / CLASSES
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    expected = np.mean((-rows * (1 - p) ** gamma * np.log(p)).sum(axis=1))
    assert mean_of(focal_terms(logits, gamma), labels, smoothing) == pytest.approx(expected, rel=1e-6)


def test_focal_without_gamma_is_cross_entropy() -> None:
    logits, _ = logits_and_labels()
    assert torch.allclose(focal_terms(logits, 0.0), cross_entropy_terms(logits))


def test_gradients_stay_finite_where_the_network_is_sure() -> None:
    logits = torch.tensor([[60.0, -60.0], [-60.0, 60.0]], requires_grad=True)
    rows = soft_targets(torch.tensor([0, 0]), 2)
    (weighted_mean(focal_terms(logits, 0.5), rows, rows) + soft_f1(logits, rows)).backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


# ---- soft macro F1 ---------------------------------------------------------------------------------


def sure_of(predicted: Tensor) -> Tensor:
    return F.one_hot(predicted, CLASSES).double() * 1000.0


@pytest.mark.parametrize("present", [CLASSES, 2])
def test_soft_f1_of_hard_predictions_is_scikit_learns_macro_f1(present: int) -> None:
    _, predicted = logits_and_labels()
    labels = predicted.flip(0) % present
    expected = f1_score(labels.numpy(), predicted.numpy(), labels=list(range(present)), average="macro")
    loss = soft_f1(sure_of(predicted), soft_targets(labels, CLASSES, torch.float64))
    assert float(loss) == pytest.approx(1.0 - expected, rel=1e-9)


def test_soft_f1_counts_shares_of_rows_and_probabilities() -> None:
    p, rows = torch.tensor([[0.75, 0.25], [0.5, 0.5]]), torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    first = 2 * (0.75 + 0.125) / (1.25 + 1.25)  # 2 TP / (rows of the class + predictions of it)
    second = 2 * 0.375 / (0.75 + 0.75)
    assert float(soft_f1(p.log(), rows)) == pytest.approx(1.0 - (first + second) / 2)


def test_descending_soft_f1_raises_the_f1_of_a_rare_class() -> None:
    labels = torch.tensor([0] * 18 + [1, 1])
    rows = soft_targets(labels, 2)
    logits = torch.zeros(20, 2) + torch.tensor([2.0, 0.0])
    logits.requires_grad_(True)
    for _ in range(100):
        (gradient,) = torch.autograd.grad(soft_f1(logits, rows), logits)
        logits = (logits - 20.0 * gradient).detach().requires_grad_(True)
    assert f1_score(labels.numpy(), logits.argmax(dim=1).numpy(), average="macro") == 1.0


# ---- the text of a loss ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, terms",
    [
        ("corn", [(1.0, "corn")]),
        ("0.4*soft_f1 + 0.6*focal", [(0.4, "soft_f1"), (0.6, "focal")]),
        (" focal+.5 * sord+2*cross_entropy ", [(1.0, "focal"), (0.5, "sord"), (2.0, "cross_entropy")]),
    ],
)
def test_a_loss_is_a_sum_of_weighted_names(text: str, terms: list[tuple[float, str]]) -> None:
    assert parse_loss(text) == tuple(Term(weight, name) for weight, name in terms)


@pytest.mark.parametrize(
    "text, message",
    [
        ("hinge", "loss='hinge': 'hinge' is not known; use one of cross_entropy"),
        ("", "'' is not known"),
        ("focal +", "'' is not known"),
        ("focal*0.5", r"'focal\*0.5' is not known"),
        ("-1*focal", r"'-1\*focal' is not known"),
        ("0*focal", "the weight of focal must be positive"),
        ("9" * 400 + "*focal", "the weight of focal must be positive"),
        ("0.5*corn + 0.5*focal", "corn cannot be mixed"),
        ("coral + corn", "cannot be mixed"),
    ],
)
def test_a_text_that_is_no_loss_is_refused(text: str, message: str) -> None:
    with pytest.raises(TrainableError, match=message):
        parse_loss(text)


def test_cross_entropy_stands_in_where_classes_have_no_order() -> None:
    spec = parse_loss("0.3*sord + focal")
    assert for_factor(spec, True) == spec
    assert for_factor(spec, False) == parse_loss("0.3*cross_entropy + focal")
    assert for_factor(parse_loss("corn"), False) == parse_loss("cross_entropy")
    assert [cumulative(parse_loss(name)) for name in (*SOFTMAX, "corn")] == [None] * 4 + ["corn"]
