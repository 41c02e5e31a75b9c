"""A loss is one file and one line; what is declared and not wired is refused when the table is built."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
import torch
from torch import Tensor

import trainables.losses
from orchestrator.core.trainable import Parameter
from trainables.losses import LOSSES
from trainables.losses.contract import Loss, table_of
from trainables.losses.mixture_text import parse_loss
from trainables.losses.objective import build_objective
from trainables.parameters import PARAMETERS, _with_losses, completed


def terms(outputs: Tensor, *_: Any) -> Tensor:
    return -outputs


def test_every_file_that_exports_a_loss_has_its_line() -> None:
    names = [item.name for item in pkgutil.iter_modules(trainables.losses.__path__)]
    modules = [importlib.import_module(f"trainables.losses.{name}") for name in names]
    exported = [module.LOSS for module in modules if hasattr(module, "LOSS")]
    assert {loss.name: loss for loss in exported} == LOSSES and len(exported) == len(LOSSES)


CASES = [(name, False) for name, loss in LOSSES.items() if loss.kind != "sigmoid"]
CASES += [(name, True) for name, loss in LOSSES.items() if loss.of_labels is not None]


@pytest.mark.parametrize("name, multi_label", CASES)
def test_every_loss_of_the_table_trains_as_itself(name: str, multi_label: bool) -> None:
    outputs = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(9) % 4
    target = torch.eye(4, dtype=torch.int64)[labels] if multi_label else labels
    values = {}
    for loss in (loss for loss, kind in CASES if kind == multi_label):
        rule = build_objective(completed({"loss": loss}), (4,), (not multi_label,), None, multi_label)
        values[loss] = float(rule.loss(outputs[:, : rule.widths[0]], target))
    own = values.pop(name)
    assert own not in values.values()


def test_a_loss_brings_its_parameters_to_the_table_and_gets_their_values() -> None:
    for loss in LOSSES.values():
        assert all(PARAMETERS[name] == own for name, own in loss.parameters.items())
    assert LOSSES["focal"].values(completed({"focal_gamma": 3})) == (3.0,)
    assert LOSSES["cross_entropy"].values(completed({})) == ()


@pytest.mark.parametrize(
    "loss, fault",
    [
        (Loss("novel", "softmax"), "exactly one of terms and of_batch"),
        (Loss("novel", "softmax", terms=terms, of_batch=terms), "exactly one of terms and of_batch"),
        (Loss("novel", "margin", terms=terms), "kind='margin' must be one of softmax, cumulative, sigmoid"),
        (Loss("novel", "sigmoid", ordered=True, terms=terms), "labels of a row have no order"),
        (Loss("novel", "sigmoid", terms=terms, tasks=terms), "tasks divide a mean over rows"),
        (
            Loss("novel", "sigmoid", terms=terms, sigmoid_form=Loss("novel", "sigmoid", terms=terms)),
            "sigmoid_form is a sigmoid loss of a softmax loss's name",
        ),
        (
            Loss("novel", "softmax", terms=terms, sigmoid_form=Loss("other", "sigmoid", terms=terms)),
            "sigmoid_form is a sigmoid loss of a softmax loss's name",
        ),
        (
            Loss("novel", "softmax", terms=terms, sigmoid_form=Loss("novel", "sigmoid")),
            "exactly one of terms and of_batch",
        ),
        (Loss("Poly", "softmax", terms=terms), "its name must be lower-case"),
        (Loss("focal", "softmax", terms=terms), "one of that name already"),
        (Loss("cut", "cumulative", ordered=True, terms=terms), "probabilities are for a cumulative loss"),
        (Loss("cut", "cumulative", terms=terms, probabilities=terms), "set ordered=True"),
        (Loss("novel", "softmax", terms=terms, probabilities=terms), "probabilities are for a cumulative"),
        (Loss("novel", "softmax", terms=terms, coral_layer=True), "coral_layer is for a cumulative loss"),
        (Loss("novel", "softmax", of_batch=terms, tasks=terms), "tasks divide a mean over rows"),
        (
            Loss("novel", "softmax", terms=terms, parameters={"focal_gamma": Parameter(1.0)}),
            "its parameter focal_gamma is focal's already",
        ),
    ],
)
def test_a_loss_that_is_not_wired_is_refused_when_the_table_is_built(loss: Loss, fault: str) -> None:
    with pytest.raises(TypeError, match=f"loss '{loss.name}' in trainables/losses: .*{fault}"):
        table_of([*LOSSES.values(), loss])


def test_a_parameter_that_means_something_already_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clash = Loss("novel", "softmax", terms=terms, parameters={"lr": Parameter(1.0)})
    monkeypatch.setitem(LOSSES, "novel", clash)
    with pytest.raises(TypeError, match="its parameter lr is in trainables/parameters"):
        _with_losses({"lr": Parameter(0.1)})


def test_a_new_loss_needs_nothing_but_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poly-1 (Leng et al. 2022) is cross-entropy plus epsilon * (1 - p)."""

    def poly1(logits: Tensor, epsilon: float) -> Tensor:
        log_p = logits.log_softmax(dim=1)
        return -log_p + epsilon * (1 - log_p.exp())

    own = {"poly1_epsilon": Parameter(1.0, doc="poly1: weight of 1 - p")}
    monkeypatch.setitem(LOSSES, "poly1", Loss("poly1", "softmax", terms=poly1, parameters=own))
    outputs, labels = torch.tensor([[1.0, -1.0], [0.5, 2.0]]), torch.tensor([0, 1])
    config = {**completed({"loss": "0.5*poly1 + focal"}), "poly1_epsilon": 2.0}
    p = torch.softmax(outputs, dim=1)[[0, 1], labels]
    focal = -((1 - p) ** 2) * p.log()
    expected = (0.5 * (2.0 * (1 - p) - p.log()) + focal).mean()
    assert [term.name for term in parse_loss("0.5*poly1 + focal")] == ["poly1", "focal"]
    assert float(build_objective(config, (2,), (False,), None).loss(outputs, labels)) == pytest.approx(
        float(expected)
    )
