"""The text of a loss, such as 'focal', 'corn', 'bce' or '0.4*soft_f1 + 0.6*focal', as numbers and names.

loss = term + term + ...        term = name | weight*name        weight: a positive decimal number
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config
from trainables.losses import LOSSES
from trainables.losses.contract import Loss

SOFTMAX = tuple(name for name, loss in LOSSES.items() if loss.kind == "softmax")
"""Losses of classes that can be mixed with each other."""
SIGMOID = tuple(name for name, loss in LOSSES.items() if loss.of_labels is not None)
"""Losses of labels, which can be mixed with each other."""
DEFAULT, LABEL_DEFAULT = "cross_entropy", "bce"  # where a configuration names no loss

_TERM = re.compile(r"(?:(?P<weight>\d+\.?\d*|\.\d+)\s*\*\s*)?(?P<name>[a-z]\w*)")


@dataclass(frozen=True)
class Term:
    weight: float
    name: str

    @property
    def loss(self) -> Loss:
        return LOSSES[self.name]


LossSpec = tuple[Term, ...]


@dataclass(frozen=True)
class WeightedLoss:
    """One term of a loss, with all that the configuration says of it."""

    weight: float
    loss: Loss
    values: tuple[Any, ...]  # of the loss's own parameters, in their order


def loss_text(config: Config, multi_label: bool = False) -> str:
    """The loss of a (completed) configuration; one that names none has the plain one of its target."""
    named = config["loss"]
    return str(named) if named is not None else LABEL_DEFAULT if multi_label else DEFAULT


def parse_loss(text: str) -> LossSpec:
    """The terms of a loss, weights as written. Raises TrainableError for a text that is no loss."""
    spec = tuple(_parse_term(part.strip(), text) for part in text.split("+"))
    alone = cumulative(spec)
    if alone and len(spec) > 1:
        raise TrainableError(
            f"loss={text!r}: {alone} cannot be mixed, its outputs are thresholds and not classes; "
            f"use it alone or mix {', '.join(SOFTMAX)}"
        )
    _refuse_both_targets(spec, text)
    return spec


def _refuse_both_targets(spec: LossSpec, text: str) -> None:
    of_classes = next((term.name for term in spec if term.loss.of_labels is None), None)
    of_labels = next((term.name for term in spec if term.loss.kind == "sigmoid"), None)
    if of_classes and of_labels:
        raise TrainableError(
            f"loss={text!r}: {of_classes} is of classes and {of_labels} of labels, so no target has both; "
            f"mix {', '.join(SOFTMAX)}, or for a multi-label target {', '.join(SIGMOID)}"
        )


def _parse_term(part: str, text: str) -> Term:
    match = _TERM.fullmatch(part)
    if match is None or match["name"] not in LOSSES:
        raise TrainableError(
            f"loss={text!r}: {part!r} is not known; use one of {', '.join(LOSSES)} "
            "or a mixture such as '0.4*soft_f1 + 0.6*focal'"
        )
    weight = float(match["weight"] or 1.0)
    if not 0.0 < weight < float("inf"):
        raise TrainableError(f"loss={text!r}: the weight of {match['name']} must be positive; leave it out")
    return Term(weight, match["name"])


def cumulative(spec: LossSpec) -> str | None:
    """The name of the loss when it is one of thresholds (coral, corn), else None."""
    return next((term.name for term in spec if term.loss.kind == "cumulative"), None)


def needs_order(spec: LossSpec) -> bool:
    return any(term.loss.ordered for term in spec)


def for_factor(spec: LossSpec, ordered: bool) -> LossSpec:
    """The loss of one factor of a label: cross-entropy stands in where its classes lack the order."""
    if ordered:
        return spec
    return tuple(replace(term, name="cross_entropy") if term.loss.ordered else term for term in spec)


def of_classes(spec: LossSpec, text: str, config: Config) -> tuple[WeightedLoss, ...]:
    """The losses of a target of one class a row. Raises TrainableError for one of labels."""
    found = next((term.name for term in spec if term.loss.kind == "sigmoid"), None)
    if found:
        usable = [name for name, loss in LOSSES.items() if loss.kind != "sigmoid"]
        raise TrainableError(
            f"loss={text!r}: {found} is of a multi-label target, and each row of this one has one class; "
            f"leave loss out or use {', '.join(usable)}"
        )
    return tuple(WeightedLoss(term.weight, term.loss, term.loss.values(config)) for term in spec)


def of_labels(spec: LossSpec, text: str, config: Config) -> tuple[WeightedLoss, ...]:
    """The losses of a multi-label target. Raises TrainableError for one of classes."""
    found = []
    for term in spec:
        form = term.loss.of_labels
        if form is None:
            raise TrainableError(
                f"loss={text!r}: {term.name} is of one class a row, and this target is multi-label; "
                f"leave loss out or use {', '.join(SIGMOID)}"
            )
        found.append(WeightedLoss(term.weight, form, term.loss.values(config)))
    return tuple(found)


def check_order(spec: LossSpec, text: str, ordered: Sequence[bool], branches: bool) -> None:
    """Raises TrainableError when no part of the label has the order that the loss needs."""
    if not needs_order(spec) or (any(ordered) if branches else list(ordered) == [True]):
        return
    way_out = "use cross_entropy" if not any(ordered) else "set branches=True or use cross_entropy"
    raise TrainableError(
        f"loss={text!r} needs a target of ordered classes, such as bins of a number or "
        f"categorical(..., ordered=True), and this one is not ordered; {way_out}"
    )
