"""Nothing assumes that more is better: a metric and its negative give the same decisions, mirrored."""

from __future__ import annotations

import re

import numpy as np
import pytest

from orchestrator.core.events import State
from orchestrator.race import RULES, RaceConfig, make_race
from orchestrator.race.simulate.simulator import Simulation, simulate
from tests.support.scenes import states


def curves(seed: int) -> np.ndarray:
    """(trials, folds, epochs) of a loss: positive, above 1, falling."""
    rng = np.random.default_rng(seed)
    ends, folds = rng.uniform(0.3, 2.5, (16, 1, 1)), rng.normal(0, 0.05, (1, 3, 1))
    epochs = 2.0 * np.exp(-np.arange(6) / 2)
    return ends + folds + epochs + rng.normal(0, 0.05, (16, 3, 6))


def raced(rule: str, scores: np.ndarray, mode: str, seed: int) -> tuple[Simulation, object]:
    cfg = RaceConfig(16, 3, 6, grace_period=1, reduction_factor=3, finalists=2, mode=mode)
    race = make_race(rule, cfg)
    found = simulate(race, scores, 3, np.random.default_rng(seed), failure_rate=0.1)
    return found, race


def decided(found: Simulation) -> list[tuple[object, ...]]:
    """Reasons included, but for the signs of their numbers."""
    return [
        (item.trial, item.fold, item.action, re.sub(r"-(?=\d)", "", item.reason))
        for decisions in found.decisions
        for item in decisions
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_and_its_negative_are_raced_alike(rule: str, seed: int) -> None:
    loss = curves(seed)
    low, by_loss = raced(rule, loss, "min", seed)
    high, by_negative = raced(rule, -loss, "max", seed)
    assert decided(low) == decided(high)
    assert states(by_loss) == states(by_negative)
    shown, mirrored = by_loss.statuses(), by_negative.statuses()
    assert [item.trial for item in shown] == [item.trial for item in mirrored]
    for one, other in zip(shown, mirrored, strict=True):
        assert (one.score is None) == (other.score is None)
        assert one.score is None or one.score == pytest.approx(-other.score)
    complete = [item.score for item in shown if item.state is State.COMPLETE and item.score is not None]
    assert complete == sorted(complete)
