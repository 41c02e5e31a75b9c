"""FO001: the best trials stand at the edge of a parameter's range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr  # `scipy.stats` takes half a second to import

from orchestrator.core.arrays import Floats
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import counted, on_one_line
from orchestrator.space.domains import Domain
from orchestrator.study_checks.chance import ALPHA
from orchestrator.study_checks.material import Material

CODE = "FO001"
NEAR = 0.1
"""The outer tenth of a range, of its logarithm where it is drawn so, counts as its edge."""
AROUND = 0.25
"""More than half of the trials that may be the best must lie in this outer part."""
HINT = 0.05
"""Chance of the trend up to which an edge is noted; it is a warning up to ALPHA, shared among all edges."""
LEAST = 6  # trials with a value, below which no trend of theirs is rare enough


@dataclass(frozen=True)
class Edge:
    """Of a numeric parameter; at_top: its largest value, else its least."""

    name: str
    domain: Domain
    at_top: bool
    best: Any  # the best trial's value
    company: int  # of the trials that may be the best, those near that edge
    leaders: int  # trials that may be the best and have a value
    chance: float  # of a trend towards that edge as strong as the one found, if the parameter had no effect
    looked_at: int  # numeric parameters, each with two edges

    @property
    def is_certain(self) -> bool:
        """In one of 1000 studies whose parameters have no effect some edge is."""
        return 2 * self.looked_at * self.chance <= ALPHA

    @property
    def bound(self) -> Any:
        return _numbers(self.domain)[-1 if self.at_top else 0]


def look(material: Material) -> Iterator[Finding]:
    configs = material.snapshot.study.configs
    scores = {item.trial: item.score for item in material.snapshot.statuses}
    judged = [trial for trial in material.ranked if trial in configs]
    outcomes = material.sign * np.array([scores[trial] for trial in judged], float)
    leaders = material.snapshot.confidence_set.trials or [trial.number for trial in material.complete]
    found = edges(
        material.space.domains,
        [configs[trial] for trial in judged],
        outcomes,
        [configs[trial] for trial in leaders],
    )
    for edge in found:
        yield _finding(edge, leaders)
    if not found:
        varied = [name for name in material.space.varied() if _numbers(material.space.domains[name])]
        yield fine(CODE, f"of {counted(len(varied), 'numeric parameter')} none has its best value at an edge")


def edges(
    domains: Mapping[str, Domain],
    configs: Sequence[Mapping[str, Any]],
    outcomes: Floats,
    leaders: Sequence[Mapping[str, Any]],
) -> list[Edge]:
    """configs, outcomes (n,): of all trials that were judged, larger is better; leaders: configurations that
    may be the best, the best first."""
    found, numeric = [], {name: domain for name, domain in domains.items() if _numbers(domain)}
    for name, domain in numeric.items():
        places = _positions(domain, name, configs)
        near = _positions(domain, name, leaders)
        has = np.isfinite(places)
        if has.sum() < LEAST or not np.isfinite(near[0]):
            continue
        near, at_top = near[np.isfinite(near)], near[0] > 0.5
        outward, company = (values if at_top else 1 - values for values in (places[has], near))
        inside = int((company >= 1 - AROUND).sum())
        if company[0] < 1 - NEAR or 2 * inside <= len(company):
            continue
        rare = chance(outward, outcomes[has])
        if rare <= HINT:
            best = leaders[0][name]
            found.append(Edge(name, domain, bool(at_top), best, inside, len(company), rare, len(numeric)))
    return [edge for edge in found if not _is_natural(edge)]


def position(domain: Domain, value: Any) -> float | None:
    """Of a value in its range, 0 to 1; of one that is drawn by its logarithm, of that. None for no number,
    and for a choice of fewer than three numbers, whose every value is an edge."""
    numbers = _numbers(domain)
    if not numbers or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if domain.kind == "choice":
        return numbers.index(value) / (len(numbers) - 1) if value in numbers else None
    low, high = numbers[0], numbers[-1]
    if domain.kind == "loguniform":
        low, high, value = math.log(low), math.log(high), math.log(value) if value > 0 else math.log(low)
    return float(min(max((value - low) / (high - low), 0.0), 1.0))


def _numbers(domain: Domain) -> list[Any]:
    """Its least and largest value, of a choice all of them in order; empty where it has none or one."""
    values = list(domain.values)
    if domain.kind == "choice":
        is_ordered = all(isinstance(item, int | float) and not isinstance(item, bool) for item in values)
        return sorted(set(values)) if is_ordered and len(set(values)) > 2 else []
    if domain.kind == "randint":
        return [values[0], values[1] - 1] if values[1] - values[0] > 2 else []
    return values[:2] if len(values) > 1 else []


def _positions(domain: Domain, name: str, configs: Sequence[Mapping[str, Any]]) -> Floats:
    """(n,); NaN where a configuration has no such number."""
    found = [position(domain, config[name]) if name in config else None for config in configs]
    return np.array([math.nan if item is None else item for item in found], float)


def chance(outward: Floats, outcomes: Floats) -> float:
    """How rare it is by chance that scores rise so steadily outward: of Pearson's correlation, by Student's t
    with n - 2 degrees of freedom. outward, outcomes (n,).

    If the parameter has no effect its values could be shuffled among the trials, whatever their scores are
    of: one that was stopped early has a low one, and was stopped because it was poor.
    """
    if not (np.ptp(outward) > 0 and np.ptp(outcomes) > 0):
        return 1.0
    n, correlation = len(outward), float(np.corrcoef(outward, outcomes)[0, 1])
    correlation = min(correlation, 1 - 1e-12)
    return 1 - float(stdtr(n - 2, correlation * math.sqrt((n - 2) / (1 - correlation**2))))


def _is_natural(edge: Edge) -> bool:
    """0 at the lower end: a share, a rate or a strength that is off cannot become less."""
    return not edge.at_top and edge.bound == 0


def _finding(edge: Edge, leaders: Sequence[int]) -> Finding:
    name, side = on_one_line(edge.name), "largest" if edge.at_top else "least"
    said = (
        f"{name} is {_text(edge.best)} in the best trial, near the {side} value that {edge.domain} allows, "
        "as in "
        f"{edge.company} of {counted(edge.leaders, 'trial')} that may be the best; "
    )
    said += "scores rise towards it" if edge.is_certain else "that scores rise towards it may be chance"
    level = Level.WARNING if edge.is_certain else Level.NOTE
    way_out = f"widen the range: {name}={wider(edge)}"
    return coded(CODE, level, f"{said} (p = {edge.chance:.1g})", way_out, trials=leaders)


def wider(edge: Edge) -> Domain:
    """The range, longer on that side: by a factor of ten, by half of it, or by two more choices."""
    domain, values = edge.domain, list(edge.domain.values)
    if domain.kind == "choice":
        return Domain("choice", tuple(_more_choices(_numbers(domain), edge.at_top)))
    at = 1 if edge.at_top else 0
    if domain.kind == "loguniform":
        values[at] = float(f"{values[at] * (10.0 if edge.at_top else 0.1):.6g}")
    else:
        by = (values[1] - values[0]) / 2
        if domain.kind in ("quniform", "randint"):
            step = values[2] if domain.kind == "quniform" else 1
            by = max(round(by / step), 1) * step
        values[at] = _tidy(values[at] + (by if edge.at_top else -by), values[at])
    return Domain(domain.kind, tuple(values))


def _more_choices(numbers: list[Any], at_top: bool) -> list[Any]:
    """Two more, in the ratio of the last two where all are above 0 and the ratio is that of a scale."""
    last, before = (numbers[-1], numbers[-2]) if at_top else (numbers[0], numbers[1])
    if before > 0 and last > 0 and max(last / before, before / last) >= 1.5:
        added = [last * (last / before) ** power for power in (1, 2)]
    else:
        added = [last + (last - before) * times for times in (1, 2)]
    added = [_tidy(value, last) for value in added]
    fresh = [value for value in dict.fromkeys(added) if value not in numbers]
    return [*numbers, *fresh] if at_top else [*reversed(fresh), *numbers]


def _tidy(value: float, like: Any) -> Any:
    return round(value) if isinstance(like, int) else float(f"{value:.6g}")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
