"""From what members say to one answer: votes, routes by the chain rule, temperature, decisions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.data.targets import Target
from orchestrator.ensemble.chain_rule import combine
from orchestrator.ensemble.record import Component, EnsembleRecord, Member, Route
from orchestrator.evaluation.thresholds import HALF, Thresholds, decide_labels
from orchestrator.evaluation.voting import soft_vote, vote_of

Ask = Callable[[Component, Member], Probabilities]
"""The probabilities of a member of a component, (n, C) of the component's target."""


def answer(record: EnsembleRecord, ask: Ask) -> Probabilities:
    """Calibrated probabilities of the target, (n, C) or (n, L), before anything is decided."""
    return blend(
        [route.weight for route in record.routes],
        [_route(record.target, route, ask) for route in record.routes],
    )


def _route(target: Target, route: Route, ask: Ask) -> Probabilities:
    votes = [voted(term, [ask(term, member) for member in term.members]) for term in route.terms]
    return combine(target, [term.term for term in route.terms], votes)


def voted(component: Component, members: Sequence[Probabilities]) -> Probabilities:
    """The vote of a component, (n, C). members: in its order, (n, C) each."""
    weights = None if len(set(component.weights)) == 1 else component.weights
    if component.vote == "soft":
        return soft_vote(members, weights)
    return vote_of(component.vote, component.target.multi_label)(members)


def blend(weights: Sequence[float], routes: Sequence[Probabilities]) -> Probabilities:
    """The weighted mean of routes, (n, C) each; of one route that route itself."""
    if len(routes) == 1:
        return routes[0]
    return soft_vote(routes, weights)


def decide(record: EnsembleRecord, probabilities: Probabilities) -> Labels:
    """The class of each row, (n,); of several labels 0 and 1, (n, L). probabilities: of `answer`."""
    if not record.task.multi_label:
        classes: Labels = probabilities.argmax(axis=1)
        return classes
    if record.decisions is None:
        return decide_labels(probabilities, np.full(len(record.task), HALF))
    return Thresholds.from_json(record.decisions).decide(probabilities)
