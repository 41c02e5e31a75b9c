"""FO001: where an edge is, when it is more than luck, and which range is wider."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from orchestrator.core.arrays import Floats
from orchestrator.space.domains import Domain, choice, loguniform, quniform, randint, uniform
from orchestrator.study_checks.edge_of_range import Edge, chance, edges, position, wider

RANGES = {
    "loguniform": loguniform(1e-5, 1e-1),
    "uniform": uniform(0.1, 0.5),
    "quniform": quniform(2, 20, 2),
    "randint": randint(1, 12),
    "choice": choice([8, 64, 16, 32, 128]),
}


def searched(
    domain: Domain, seed: int, towards: float | None, trials: int = 40
) -> tuple[list[dict[str, Any]], Floats]:
    """Trials whose score falls with the distance from a place in the range, or does not depend on it."""
    rng = np.random.default_rng(seed)
    configs = [{"x": domain.sample(rng), "other": float(rng.random())} for _ in range(trials)]
    places = [position(domain, config["x"]) for config in configs]
    effect = 0.0 if towards is None else -2 * np.abs(np.array(places, float) - towards)
    return configs, effect + 0.1 * rng.normal(size=trials)


def best_of(configs: list[dict[str, Any]], outcomes: Floats, number: int = 3) -> list[dict[str, Any]]:
    return [configs[at] for at in np.argsort(-outcomes)[:number]]


def found_in(domain: Domain, seed: int, towards: float | None) -> list[Edge]:
    configs, outcomes = searched(domain, seed, towards)
    return edges({"x": domain}, configs, outcomes, best_of(configs, outcomes))


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("at_top", [True, False])
def test_an_optimum_at_either_end_is_found_in_every_kind_of_range(kind: str, at_top: bool) -> None:
    (edge,) = found_in(RANGES[kind], seed=1, towards=1.0 if at_top else 0.0)
    assert edge.at_top is at_top and edge.is_certain
    assert position(RANGES[kind], edge.bound) == (1 if at_top else 0)
    inside = position(wider(edge), edge.bound)
    assert inside is not None and 0 < inside < 1, f"{wider(edge)} has it at an edge still"


@pytest.mark.parametrize("kind", RANGES)
def test_an_optimum_inside_is_no_edge(kind: str) -> None:
    assert not [seed for seed in range(20) if found_in(RANGES[kind], seed, towards=0.5)]


def test_of_parameters_without_effect_hardly_one_in_a_thousand_studies_is_warned_of() -> None:
    """Of 2000 drawn studies of two parameters at most 2 are due a warning; 7 are far beyond luck."""
    domains = {"x": uniform(0.1, 1.0), "n": choice([1, 2, 4])}
    alarms, hints = 0, 0
    for seed in range(2000):
        rng = np.random.default_rng([7, seed])
        configs = [{name: domain.sample(rng) for name, domain in domains.items()} for _ in range(12)]
        outcomes = rng.normal(size=12)
        found = edges(domains, configs, outcomes, best_of(configs, outcomes))
        alarms += any(edge.is_certain for edge in found)
        hints += bool(found)
    assert alarms < 7 and hints < 200


def test_a_logarithmic_range_is_measured_by_its_logarithm() -> None:
    assert position(loguniform(1e-4, 1e-2), 1e-3) == pytest.approx(0.5)
    assert position(uniform(0.0, 2.0), 0.5) == 0.25
    assert position(randint(0, 11), 10) == 1.0  # its upper bound is outside
    assert position(choice([4, 1, 2]), 2) == 0.5  # by order, not by size


@pytest.mark.parametrize("value", [True, "adam", None])
def test_what_is_no_number_has_no_place(value: Any) -> None:
    assert position(choice([value, "sgd", "lion"]), value) is None
    assert position(uniform(0, 1), value) is None


def test_every_value_of_two_is_an_edge_so_none_is_told() -> None:
    assert position(choice([16, 32]), 32) is None
    configs = [{"x": 32 if at % 2 else 16} for at in range(12)]
    outcomes = np.arange(12) % 2 + 0.01 * np.arange(12)
    assert not edges({"x": choice([16, 32])}, configs, outcomes, best_of(configs, outcomes))


def test_zero_at_the_lower_end_cannot_be_lowered() -> None:
    """Dropout that is best at 0 is off: no range is wider in that direction."""
    assert not found_in(uniform(0.0, 0.5), seed=1, towards=0.0)
    assert found_in(uniform(0.0, 0.5), seed=1, towards=1.0)


def test_one_that_won_by_luck_has_no_company() -> None:
    domain = uniform(0.1, 1.0)
    configs, outcomes = searched(domain, 3, towards=1.0)
    front = best_of(configs, outcomes)
    assert edges({"x": domain}, configs, outcomes, front)
    assert not edges({"x": domain}, configs, outcomes, [front[0], {"x": 0.5}, {"x": 0.4}])


def test_a_parameter_that_only_some_trials_have_is_judged_by_those() -> None:
    domain = uniform(0.5, 0.99).when(optimizer="sgd")
    configs, outcomes = searched(domain, 2, towards=1.0)
    for at in np.argsort(-outcomes)[1::2]:
        configs[at] = {"other": 1.0}
    front = [config for config in best_of(configs, outcomes, 40) if "x" in config][:3]
    assert edges({"x": domain}, configs, outcomes, front)
    assert not edges({"x": domain}, configs, outcomes, [{"other": 1.0}, *front])  # the best has none


@pytest.mark.parametrize(
    ("domain", "at_top", "made"),
    [
        (loguniform(1e-4, 1e-2), True, "loguniform(0.0001, 0.1)"),
        (loguniform(1e-4, 1e-2), False, "loguniform(1e-05, 0.01)"),
        (uniform(0.1, 0.5), True, "uniform(0.1, 0.7)"),
        (quniform(2, 20, 2), True, "quniform(2, 28, 2)"),
        (randint(1, 9), True, "randint(1, 13)"),
        (choice([16, 32, 64]), True, "choice([16, 32, 64, 128, 256])"),
        (choice([16, 32, 64]), False, "choice([4, 8, 16, 32, 64])"),
        (choice([1, 2, 3]), True, "choice([1, 2, 3, 4, 7])"),
        (choice([0.1, 0.11, 0.12]), True, "choice([0.1, 0.11, 0.12, 0.13, 0.14])"),
    ],
)
def test_the_way_out_is_a_range_that_can_be_pasted(domain: Domain, at_top: bool, made: str) -> None:
    assert str(wider(Edge("x", domain, at_top, 0, 3, 3, 0.0, 1))) == made


def test_a_trend_of_equal_scores_or_equal_places_is_none() -> None:
    assert chance(np.ones(9), np.arange(9.0)) == 1.0
    assert chance(np.arange(9.0), np.ones(9)) == 1.0
    assert chance(np.arange(9.0), np.arange(9.0)) < 1e-6
