from __future__ import annotations

import json

import numpy as np
import pytest

from orchestrator.core.errors import SearchSpaceError
from orchestrator.space.domains import Domain, choice, constant, loguniform, quniform, randint, uniform

ALL = [
    choice(["sgd", "adamw", 3, None]),
    uniform(-1.0, 2.0),
    loguniform(1e-5, 1e-2),
    quniform(0.1, 0.5, 0.1),
    quniform(2, 10, 4),
    randint(3, 7),
    constant("fixed"),
]


@pytest.mark.parametrize("domain", ALL, ids=str)
def test_draws_lie_inside_and_are_plain_json_values(domain: Domain) -> None:
    rng = np.random.default_rng(1)
    drawn = [domain.sample(rng) for _ in range(300)]
    assert all(domain.contains(value) for value in drawn)
    assert json.loads(json.dumps(drawn)) == drawn
    finite = domain.finite()
    if finite is not None:
        assert set(drawn) == set(finite)


@pytest.mark.parametrize("domain", ALL, ids=str)
def test_a_domain_survives_json(domain: Domain) -> None:
    conditional = domain.when(optimizer=["sgd", "adam"], amp=True)
    assert Domain.from_json(json.loads(json.dumps(conditional.to_json()))) == conditional


def test_quniform_counts_whole_steps_only() -> None:
    assert quniform(2, 11, 4).finite() == (2, 6, 10)
    assert quniform(0.1, 0.3, 0.1).finite() == (0.1, 0.2, 0.3)


def test_loguniform_spends_as_much_on_each_decade() -> None:
    rng = np.random.default_rng(0)
    values = np.log10([loguniform(1e-4, 1e-2).sample(rng) for _ in range(2000)])
    assert abs((values < -3).mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    "make",
    [
        lambda: choice([]),
        lambda: choice("sgd"),
        lambda: uniform(1, 1),
        lambda: uniform(2, 1),
        lambda: uniform(0, float("nan")),
        lambda: loguniform(0, 1),
        lambda: quniform(0, 1, 0),
        lambda: quniform(0, 1, 2),
        lambda: randint(3, 3),
        lambda: randint(0.5, 3),
    ],
)
def test_an_empty_or_senseless_domain_is_refused(make: object) -> None:
    with pytest.raises(SearchSpaceError):
        make()  # type: ignore[operator]


def test_a_condition_holds_only_for_the_named_values() -> None:
    momentum = uniform(0.8, 0.99).when(optimizer="sgd")
    assert momentum.is_active({"optimizer": "sgd"})
    assert not momentum.is_active({"optimizer": "adamw"})
    assert not momentum.is_active({})
