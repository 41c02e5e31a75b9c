"""Parameter importance: what was planted ranks first, and chance is told from it."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.sampling.importance import FEWEST, parameter_importance
from orchestrator.space.domains import choice, loguniform, quniform, randint, uniform

DOMAINS = {
    "lr": loguniform(1e-5, 1e-1),
    "loss": choice(["a", "b", None]),
    "momentum": uniform(0.5, 1.0).when(loss="a"),
    "drop": quniform(0, 0.5, 0.1),
    "layers": randint(1, 5),
}


def trials(count: int, effect: float, seed: int) -> tuple[list[dict[str, object]], list[float]]:
    """Scores that fall with the distance of lr from 1e-3, and noise."""
    rng = np.random.default_rng(seed)
    configs: list[dict[str, object]] = []
    for _ in range(count):
        config: dict[str, object] = {}
        for name, domain in DOMAINS.items():
            if domain.is_active(config):
                config[name] = domain.sample(rng)
        configs.append(config)
    return configs, [-effect * abs(np.log10(item["lr"]) + 3) + 0.2 * rng.normal() for item in configs]


def test_a_planted_parameter_ranks_first_by_more_than_chance() -> None:
    found = parameter_importance(*trials(60, 1.0, seed=1), DOMAINS, np.random.default_rng(0), repeats=30)
    first, *others = found.parameters
    assert first.name == "lr" and first.is_told and not any(item.is_told for item in others)
    assert (found.trials, found.best) == (60, 6)
    assert sum(item.share for item in found.parameters) == pytest.approx(1)
    assert first.low <= first.share <= first.high
    has_it = next(item for item in found.parameters if item.name == "momentum")
    assert 0 < has_it.trials < 60


def test_scores_that_are_chance_alone_tell_nothing_in_most_studies() -> None:
    alarms = 0
    for seed in range(50, 54):
        rng = np.random.default_rng(seed)
        found = parameter_importance(*trials(24, 0.0, seed), DOMAINS, rng, repeats=20)
        alarms += any(item.is_told for item in found.parameters)
    assert alarms <= 1


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, other = (
        parameter_importance(*trials(20, 1.0, 2), DOMAINS, np.random.default_rng(3), repeats=20)
        for _ in range(2)
    )
    assert one == other


def test_too_few_trials_tell_nothing_and_say_so() -> None:
    configs, values = trials(FEWEST, 1.0, 1)
    values[3] = float("nan")
    found = parameter_importance(configs, values, DOMAINS, np.random.default_rng(0))
    assert (
        found.parameters == ()
        and found.reason == f"only {FEWEST - 1} trials have a score, and it takes {FEWEST}"
    )
    assert parameter_importance([], [], DOMAINS, np.random.default_rng(0)).reason.startswith("no trial")
    assert (
        parameter_importance(*trials(20, 1, 1), {}, np.random.default_rng(0)).reason == "no parameter varies"
    )


def test_values_outside_their_domain_and_equal_scores_are_taken() -> None:
    configs, values = trials(15, 1.0, 1)
    configs[0] |= {"lr": 1.0, "loss": "of my own"}
    assert parameter_importance(configs, values, DOMAINS, np.random.default_rng(0), repeats=20).parameters
    equal = parameter_importance(configs, [0.5] * 15, DOMAINS, np.random.default_rng(0), repeats=20)
    assert equal.parameters == () and "the same values" in equal.reason
