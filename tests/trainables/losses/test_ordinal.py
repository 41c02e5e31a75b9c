from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.losses.coral import coral_probabilities, coral_terms
from trainables.losses.corn import corn_probabilities, corn_tasks, corn_terms
from trainables.losses.objective import Objective, build_objective
from trainables.losses.sord import distance_labels, sord_terms
from trainables.network.heads import build_head
from trainables.parameters import completed

CLASSES = 5
Array = NDArray[np.float64]


def objective(loss: str, **config: Any) -> Objective:
    counts = np.ones(CLASSES, np.int64)
    return build_objective(completed({"loss": loss, **config}), (CLASSES,), (True,), counts)


def outputs_and_labels(width: int = CLASSES - 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(40, width, generator=generator, dtype=torch.float64) * 2
    return outputs, torch.arange(40) % CLASSES


def sigmoid(values: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def coral_by_hand(outputs: Array, labels: NDArray[np.int64]) -> float:
    """The published loss: levels 1[y > k], binary cross-entropies summed over k, averaged over rows."""
    levels = (labels[:, None] > np.arange(CLASSES - 1)).astype(float)
    f = sigmoid(outputs)
    return float(-(levels * np.log(f) + (1 - levels) * np.log(1 - f)).sum(axis=1).mean())


def corn_by_hand(outputs: Array, labels: NDArray[np.int64]) -> float:
    """The published loss: task k over the rows with y > k - 1, divided by rows in all tasks together."""
    total, rows = 0.0, 0
    for task in range(CLASSES - 1):
        taking_part = labels > task - 1
        above = labels[taking_part] > task
        f = sigmoid(outputs[taking_part, task])
        total -= np.log(np.where(above, f, 1 - f)).sum()
        rows += int(taking_part.sum())
    return total / rows


@pytest.mark.parametrize("loss, by_hand", [("coral", coral_by_hand), ("corn", corn_by_hand)])
def test_a_cumulative_loss_is_its_published_formula(loss: str, by_hand: Callable[..., float]) -> None:
    outputs, labels = outputs_and_labels()
    expected = by_hand(outputs.numpy(), labels.numpy())
    assert float(objective(loss).loss(outputs, labels)) == pytest.approx(expected, rel=1e-9)


def test_sord_is_cross_entropy_with_labels_that_fall_off_with_distance() -> None:
    logits, labels = outputs_and_labels(CLASSES)
    place = np.arange(CLASSES)
    weights = np.exp(-0.7 * np.abs(place[labels.numpy()][:, None] - place))
    soft = weights / weights.sum(axis=1, keepdims=True)
    expected = -(soft * torch.log_softmax(logits, 1).numpy()).sum(axis=1).mean()
    loss = objective("sord", sord_scale=0.7).loss(logits, labels)
    assert float(loss) == pytest.approx(expected, rel=1e-9)


def test_a_sharp_soft_label_is_the_class_itself() -> None:
    assert torch.allclose(distance_labels(CLASSES, 100.0), torch.eye(CLASSES, dtype=torch.float64))
    assert distance_labels(CLASSES, 0.5).argmax(dim=1).tolist() == list(range(CLASSES))


def test_a_miss_costs_more_the_further_off_it_is() -> None:
    sure_of_first = torch.tensor([[9.0, 0.0, 0.0, 0.0, 0.0]])
    assert (sord_terms(sure_of_first).diff(dim=1)[0, :-1] > 0).all()
    assert (coral_terms(torch.full((1, 4), -3.0)).diff(dim=1) > 0).all()


def test_corn_terms_are_minus_the_log_of_its_probabilities() -> None:
    outputs, _ = outputs_and_labels()
    f = sigmoid(outputs.numpy())
    passed = np.cumprod(np.column_stack([np.ones(len(f)), f]), axis=1)
    expected = passed * np.column_stack([1 - f, np.ones(len(f))])
    assert corn_probabilities(outputs).numpy() == pytest.approx(expected, rel=1e-9)
    assert corn_terms(outputs).numpy() == pytest.approx(-np.log(expected), rel=1e-9)
    assert corn_tasks(4).tolist() == [1, 2, 3, 3]


def test_coral_probabilities_are_differences_of_cumulative_ones() -> None:
    outputs = torch.tensor([[2.0, 0.0, -1.0]])
    above = [1.0, *sigmoid(outputs.numpy()[0]).tolist(), 0.0]
    expected = [above[c] - above[c + 1] for c in range(4)]
    assert coral_probabilities(outputs)[0].tolist() == pytest.approx(expected)


def test_coral_thresholds_out_of_order_give_no_negative_probability() -> None:
    rows = coral_probabilities(torch.tensor([[-1.0, 2.0, 0.0], [0.0, -3.0, 5.0]]))
    assert (rows >= 0).all() and rows.sum(dim=1).tolist() == pytest.approx([1.0, 1.0])
    assert rows[0, 1:3].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("of", [coral_probabilities, corn_probabilities])
def test_higher_outputs_move_probability_upward(of: Callable[[Tensor], Tensor]) -> None:
    outputs, _ = outputs_and_labels()
    rows, higher = of(outputs), of(outputs + 1.0)
    assert rows.dtype == torch.float64 and torch.allclose(rows.sum(dim=1), torch.ones(40).double())
    assert (rows >= 0).all()
    assert (higher.cumsum(dim=1) <= rows.cumsum(dim=1) + 1e-12).all()
    place = torch.arange(CLASSES).double()
    assert (higher @ place > rows @ place).all()


@pytest.mark.parametrize("size", [1e3, 1e4])
@pytest.mark.parametrize("of", [coral_probabilities, corn_probabilities])
def test_extreme_outputs_are_still_probabilities(size: float, of: Callable[[Tensor], Tensor]) -> None:
    rows = of(torch.tensor([[size] * 4, [-size] * 4, [size, size, -size, -size]]))
    assert rows.argmax(dim=1).tolist() == [4, 0, 2]
    assert rows.sum(dim=1).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("loss", ["cross_entropy", "sord", "coral", "corn"])
def test_a_head_trained_on_ordered_rows_recovers_the_order(loss: str) -> None:
    generator = torch.Generator().manual_seed(2)
    ages = torch.rand(200, generator=generator) * CLASSES
    features = torch.stack([ages - CLASSES / 2, torch.randn(200, generator=generator)], dim=1)
    labels, rule = ages.long(), objective(loss)
    torch.manual_seed(0)
    head = build_head(completed({}), 2, rule.widths, rule.coral)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.3)
    first = float(rule.loss(head(features), labels).detach())
    for _ in range(150):
        optimizer.zero_grad()
        loss_value = rule.loss(head(features), labels)
        loss_value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss_value.detach()) < first
    predicted = rule.probabilities(head.eval()(features)).argmax(dim=1)
    assert float((predicted == labels).double().mean()) > 0.9
    assert float((predicted - labels).abs().max()) <= 1


@pytest.mark.parametrize("loss", ["coral", "corn"])
def test_two_classes_leave_one_threshold_and_logistic_regression(loss: str) -> None:
    rule = build_objective(completed({"loss": loss}), (2,), (True,), None)
    assert rule.widths == (1,)
    value = float(rule.loss(torch.tensor([[0.3], [0.3]]), torch.tensor([0, 1])))
    p = 1 / (1 + math.exp(-0.3))
    assert value == pytest.approx(-(math.log(p) + math.log(1 - p)) / 2)
    assert rule.probabilities(torch.tensor([[0.3]]))[0].tolist() == pytest.approx([1 - p, p])
