"""What a loss says of itself, and the table of all losses. Imports no torch: the parameter table reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.core.trainable import Config, Parameter

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KINDS = ("softmax", "cumulative", "sigmoid")


@dataclass(frozen=True)
class Loss:
    """One loss of K classes or L labels. It is wired by exactly one of `terms` and `of_batch`.

    softmax: K logits whose softmax is the class probabilities; such losses can be mixed with each other.
    cumulative: K - 1 logits, one for each threshold between ordered classes; such a loss stands alone.
    sigmoid: L logits, one for each label of a multi-label target, whose sigmoid is the label's probability;
    such losses can be mixed with each other.
    """

    name: str  # as `loss` names it
    kind: str  # one of KINDS
    ordered: bool = False  # only ordered classes can have it
    terms: Callable[..., Tensor] | None = None
    """(outputs (B, W), *parameters) -> (B, K): what each row would cost if its class were c; of a sigmoid
    loss (B, L, 2): what each label would cost if the row lacked it, and if the row had it."""
    of_batch: Callable[..., Tensor] | None = None
    """(outputs (B, W), rows (B, W), smoothed rows (B, W), *parameters) -> scalar: no mean over rows."""
    sigmoid_form: Loss | None = None
    """The sigmoid loss that a softmax loss is of labels; it takes the same name and the same parameters."""
    tasks: Callable[[int, torch.device], Tensor] | None = None
    """(K, device) -> (K,): how often a row of each class counts in the divisor of the mean; None: once."""
    probabilities: Callable[[Tensor], Tensor] | None = None
    """(B, K - 1) -> (B, K) float64; a cumulative loss alone has it, the others take the softmax."""
    coral_layer: bool = False  # the thresholds share one weight vector, see network/heads.py
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """Parameters of its own, handed to `terms` or `of_batch` in this order."""

    @property
    def of_labels(self) -> Loss | None:
        """What it is of a multi-label target; None: a loss of classes alone."""
        return self if self.kind == "sigmoid" else self.sigmoid_form

    def values(self, config: Config) -> tuple[Any, ...]:
        """Of its parameters in a (completed) configuration."""
        return tuple(_typed(config[name], parameter) for name, parameter in self.parameters.items())


def _typed(value: Any, parameter: Parameter) -> Any:
    return float(value) if parameter.types == ("float",) else value


def table_of(losses: Iterable[Loss]) -> dict[str, Loss]:
    """Name -> loss. Raises TypeError for one that is not wired: it must never train something else."""
    table: dict[str, Loss] = {}
    owners: dict[str, str] = {}
    for loss in losses:
        fault = _fault(loss, table)
        taken = [name for name in loss.parameters if name in owners]
        if taken:
            fault = f"its parameter {taken[0]} is {owners[taken[0]]}'s already"
        if fault:
            raise TypeError(f"loss {loss.name!r} in trainables/losses: {fault}")
        table[loss.name] = loss
        owners.update(dict.fromkeys(loss.parameters, loss.name))
    return table


def _fault(loss: Loss, table: Mapping[str, Loss]) -> str:
    cumulative = loss.kind == "cumulative"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", loss.name):
        return "its name must be lower-case letters, digits and _"
    if loss.name in table:
        return "the table has one of that name already"
    if loss.kind not in KINDS:
        return f"kind={loss.kind!r} must be one of {', '.join(KINDS)}"
    if (loss.terms is None) == (loss.of_batch is None):
        return "it must give exactly one of terms and of_batch"
    if loss.kind == "sigmoid" and loss.ordered:
        return "labels of a row have no order; set ordered=False"
    if cumulative and not loss.ordered:
        return "thresholds lie between ordered classes; set ordered=True"
    if cumulative != (loss.probabilities is not None):
        return "probabilities are for a cumulative loss, and it needs them"
    if loss.coral_layer and not cumulative:
        return "coral_layer is for a cumulative loss"
    if loss.tasks is not None and (loss.terms is None or loss.kind == "sigmoid"):
        return "tasks divide a mean over rows, which of_batch and a sigmoid loss are not"
    form = loss.sigmoid_form
    if form is None:
        return ""
    if loss.kind != "softmax" or form.kind != "sigmoid" or form.name != loss.name or form.parameters:
        return "sigmoid_form is a sigmoid loss of a softmax loss's name, without parameters of its own"
    return _fault(form, {})
