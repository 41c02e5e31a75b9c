"""The text of a loss, such as 'focal', 'corn' or '0.4*soft_f1 + 0.6*focal', as numbers and names.

loss = term + term + ...        term = name | weight*name        weight: a positive decimal number
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.core.errors import TrainableError
from trainables.losses import LOSSES
from trainables.losses.contract import Loss

SOFTMAX = tuple(name for name, loss in LOSSES.items() if loss.kind == "softmax")
"""Losses that can be mixed with each other."""

_TERM = re.compile(r"(?:(?P<weight>\d+\.?\d*|\.\d+)\s*\*\s*)?(?P<name>[a-z]\w*)")


@dataclass(frozen=True)
class Term:
    weight: float
    name: str

    @property
    def loss(self) -> Loss:
        return LOSSES[self.name]


LossSpec = tuple[Term, ...]


def parse_loss(text: str) -> LossSpec:
    """The terms of a loss, weights as written. Raises TrainableError for a text that is no loss."""
    spec = tuple(_parse_term(part.strip(), text) for part in text.split("+"))
    alone = cumulative(spec)
    if alone and len(spec) > 1:
        raise TrainableError(
            f"loss={text!r}: {alone} cannot be mixed, its outputs are thresholds and not classes; "
            f"use it alone or mix {', '.join(SOFTMAX)}"
        )
    return spec


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


def check_order(spec: LossSpec, text: str, ordered: Sequence[bool], branches: bool) -> None:
    """Raises TrainableError when no part of the label has the order that the loss needs."""
    if not needs_order(spec) or (any(ordered) if branches else list(ordered) == [True]):
        return
    way_out = "use cross_entropy" if not any(ordered) else "set branches=True or use cross_entropy"
    raise TrainableError(
        f"loss={text!r} needs a target of ordered classes, such as bins of a number, "
        f"and this one is not ordered; {way_out}"
    )
