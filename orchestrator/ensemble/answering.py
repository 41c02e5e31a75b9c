"""From what members say to one answer: votes, routes by the chain rule, temperature, decisions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.data.targets import Target
from orchestrator.ensemble_record.chain_rule import combine
from orchestrator.ensemble_record.record import Component, EnsembleRecord, Member, Route
from orchestrator.evaluation.calibration import Temperature
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.thresholds import HALF, decide_labels
from orchestrator.evaluation.voting import soft_vote, vote_of

Ask = Callable[[Component, Member], Probabilities]
"""The probabilities of a member of a component, (n, C) of the component's target."""


def answer(record: EnsembleRecord, ask: Ask) -> Probabilities:
    """Calibrated probabilities of the target, (n, C) or (n, L), before anything is decided."""
    routes = [_route(record.target, route, ask) for route in record.routes]
    return _calibrated(record.temperature, blend([route.weight for route in record.routes], routes))


def _route(target: Target, route: Route, ask: Ask) -> Probabilities:
    votes = [voted(term, [ask(term, member) for member in term.members]) for term in route.terms]
    return combine(target, [term.term for term in route.terms], votes)


def voted(component: Component, members: Sequence[Probabilities]) -> Probabilities:
    """The vote of a component, (n, C). members: in its order, (n, C) each."""
    if component.in_order:
        return vote_of(component.vote, component.target.multi_label)(members)
    return _calibrated(component.temperature, component.fitted.apply(members))


def _calibrated(temperature: Mapping[str, Any] | None, probabilities: Probabilities) -> Probabilities:
    return probabilities if temperature is None else Temperature.from_json(temperature).apply(probabilities)


def blend(weights: Sequence[float], routes: Sequence[Probabilities]) -> Probabilities:
    """The weighted mean of routes, (n, C) each; of one route that route itself."""
    if len(routes) == 1:
        return routes[0]
    return soft_vote(routes, weights)


def as_judged(record: EnsembleRecord, probabilities: Probabilities) -> Probabilities:
    """What a metric is to be given, (n, C): argmax, or the cut at 0.5, is what is decided."""
    if record.decisions is None:
        return probabilities
    return Decisions.from_json(record.decisions).apply(probabilities)


def decide(record: EnsembleRecord, probabilities: Probabilities) -> Labels:
    """The class of each row, (n,); of several labels 0 and 1, (n, L). probabilities: of `answer`."""
    decisions = None if record.decisions is None else Decisions.from_json(record.decisions)
    if not record.task.multi_label:
        decided = probabilities if decisions is None else decisions.apply(probabilities)
        classes: Labels = decided.argmax(axis=1)
        return classes
    if decisions is None:
        return decide_labels(probabilities, np.full(len(record.task), HALF))
    return decide_labels(probabilities, np.array(decisions.values), decisions.at_least_one)
