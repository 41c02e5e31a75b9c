"""A thousand slots and ten thousand fold runs, in virtual time."""

import numpy as np
import pytest

from orchestrator.core.events import Action, EpochEnded, LegStarted, State
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.simulator import Simulation
from orchestrator.race.simulate.synthetic import draw_curves

pytestmark = pytest.mark.slow

TRIALS, FOLDS, EPOCHS, SLOTS = 2_000, 5, 18, 1_000


def raced(seed: int, failure_rate: float = 0.0) -> tuple[dict[int, tuple[State, int]], Simulation]:
    """State and complete folds of every trial, and what happened."""
    rng = np.random.default_rng(seed)
    race = make_race("fold_asha", RaceConfig(trials=TRIALS, folds=FOLDS, max_t=EPOCHS))
    log = simulate(race, draw_curves(TRIALS, FOLDS, EPOCHS, rng).scores, SLOTS, rng, failure_rate)
    assert race.done
    return {item.trial: (item.state, item.folds_complete) for item in race.statuses()}, log


@pytest.mark.parametrize("failure_rate", [0.0, 0.05])
def test_a_thousand_slots_end_with_three_finalists_that_own_all_folds(failure_rate: float) -> None:
    found, log = raced(0, failure_rate)
    complete = [folds for state, folds in found.values() if state is State.COMPLETE]
    assert complete == [FOLDS] * 3
    assert {state for state, _ in found.values()} <= {State.COMPLETE, State.PRUNED, State.FAIL}
    assert log.time < 4 * EPOCHS  # one fold run takes 18 epochs, exhaustive search 180


def test_the_same_seed_gives_the_same_race_on_a_thousand_slots() -> None:
    (one, first), (two, second) = raced(1, 0.05), raced(1, 0.05)
    assert one == two
    assert (first.events, first.times) == (second.events, second.times)


def test_a_thousand_slots_are_all_used_and_never_more() -> None:
    _, log = raced(2)
    running: set[tuple[int, int]] = set()
    most = 0
    for event, decisions in zip(log.events, log.decisions, strict=True):
        if isinstance(event, LegStarted):
            assert (event.trial, event.fold) not in running
            running.add((event.trial, event.fold))
        elif isinstance(event, EpochEnded) and (
            decisions[-1].action is not Action.CONTINUE or decisions[-1].leg is not None
        ):
            running.remove((event.trial, event.fold))
        most = max(most, len(running))
    assert most == SLOTS and not running
