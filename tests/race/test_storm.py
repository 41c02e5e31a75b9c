"""Random worlds: failures, resumes and extensions at random moments, in random order on random slots."""

import time
from itertools import pairwise

import numpy as np
import pytest

from orchestrator.core.events import Shortened, State, from_json, to_json
from orchestrator.race import RULES, RaceConfig, make_race
from orchestrator.race.fold_asha import SLOPE
from orchestrator.race.ladder import Ladder, build_ladder, check_ladder
from orchestrator.race.quota import TIE
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves
from tests.support.scenes import LADDER, Storm, big, run_all, snapshot, states


@pytest.mark.parametrize("rule", ["fold_asha", "exhaustive", "pooled_asha"])
@pytest.mark.parametrize("seed", range(12))
def test_a_storm_neither_stalls_a_race_nor_breaks_its_contract(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials, folds, max_t = int(rng.integers(1, 20)), int(rng.integers(1, 5)), int(rng.integers(1, 10))
    race = make_race(
        rule, RaceConfig(trials=trials, folds=folds, max_t=max_t, finalists=int(rng.integers(1, 4)))
    )
    storm = Storm(race, seed, int(rng.integers(1, 7)), trials + 8, trouble=0.15)
    storm.run()
    assert race.done and race.next() is None
    out = (State.COMPLETE, State.PRUNED, State.FAIL)
    assert set(states(race).values()) <= set(out)


@pytest.mark.parametrize("rule", ["fold_asha", "exhaustive", "pooled_asha"])
@pytest.mark.parametrize("seed", range(6))
def test_a_replay_of_any_prefix_is_the_race_that_wrote_it(rule: str, seed: int) -> None:
    numbers = {"trials": 9, "folds": 3, "max_t": 6, "finalists": 2}
    storm = Storm(make_race(rule, RaceConfig(**numbers)), seed, 4, 14, trouble=0.12)  # type: ignore[arg-type]
    storm.run()
    again = make_race(rule, RaceConfig(**numbers))  # type: ignore[arg-type]
    for event, shot in zip(storm.events, storm.shots, strict=True):
        again.apply(from_json(to_json(event)))  # type: ignore[arg-type]
        assert snapshot(again) == shot


@pytest.mark.parametrize("seed", range(40))
def test_as_many_finalists_as_can_own_all_folds_after_any_storm(seed: int) -> None:
    race = make_race("fold_asha", RaceConfig(trials=12, folds=3, max_t=9, finalists=3))
    storm = Storm(race, seed, 4, 12)
    storm.run()
    alive = sum(state is not State.FAIL for state in states(race).values())
    complete = [status for status in race.statuses() if status.state is State.COMPLETE]
    assert len(complete) == min(3, alive)
    assert all(status.folds_complete == 3 for status in complete)


@pytest.mark.parametrize("kind", ["exception", "nan", "lost"])
def test_finalists_own_all_folds_with_one_leg_in_twenty_failing(kind: str) -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        race = big()
        simulate(race, draw_curves(64, 5, 18, rng).scores, 4, rng, 0.05, [kind])
        complete = [status for status in race.statuses() if status.state is State.COMPLETE]
        assert [status.folds_complete for status in complete] == [5, 5, 5]


def lockstep(scores: np.ndarray, ladder: Ladder) -> tuple[set[int], int]:
    """The ladder climbed rung by rung, quotas settled by what the rungs show: finalists and fold-epochs."""
    alive, spent, done = np.arange(len(scores)), 0, 0
    before: np.ndarray | None = None
    for number, (low, high) in enumerate(pairwise(ladder), 1):
        spent += len(alive) * (low.folds * low.epochs - done)
        done = low.folds * low.epochs
        mean, half = (
            scores[alive, : low.folds, epochs - 1].mean(axis=1)
            for epochs in (low.epochs, max(low.epochs // 2, 1))
        )
        score = mean + SLOPE * (mean - half)
        quota = high.quota
        if 1 < number < len(ladder) - 1 and before is not None:
            near = int((score >= score.max() - TIE * np.std(score - before, ddof=1)).sum())
            quota = min(max(near, high.least), high.most)
        order = np.argsort(-score, kind="stable")[:quota]
        alive, before = alive[order], score[order]
    last = ladder[-1]
    return set(alive.tolist()), spent + len(alive) * (last.folds * last.epochs - done)


@pytest.mark.parametrize("slots", [1, 4, 16])
@pytest.mark.parametrize("given", [LADDER, None])
@pytest.mark.parametrize("early_votes", [0, 3])
def test_the_finalists_are_those_of_the_lockstep_whatever_the_slots_and_guesses(
    slots: int, given: list[tuple[int, int, int]] | None, early_votes: int
) -> None:
    ladder = build_ladder(64, 5, 18, 1, 3, 3) if given is None else check_ladder(given, 64, 5, 18)
    for seed in range(10):
        scores = draw_curves(64, 5, 18, np.random.default_rng(seed)).scores
        cfg = RaceConfig(trials=64, folds=5, max_t=18, ladder=given, early_votes=early_votes)
        race = make_race("fold_asha", cfg)
        simulate(race, scores, slots)
        finalists = {trial for trial, state in states(race).items() if state is State.COMPLETE}
        expected, spent = lockstep(scores, ladder)
        assert finalists == expected
        exact = slots == 1 and not early_votes
        assert race.spent_fold_epochs == spent if exact else race.spent_fold_epochs >= spent


def test_one_slot_spends_exactly_the_plan_and_four_hardly_more() -> None:
    spent = {1: 0, 4: 0}
    for seed in range(20):
        scores = draw_curves(64, 5, 18, np.random.default_rng(seed)).scores
        for slots in spent:
            race = big(early_votes=0)
            simulate(race, scores, slots)
            spent[slots] += race.spent_fold_epochs
    assert spent[1] == 20 * 532
    assert 20 * 532 <= spent[4] <= 20 * 545


def test_stock_asha_spends_three_times_as_much_and_leaves_few_complete() -> None:
    spent, complete = [], []
    for seed in range(10):
        race = big("pooled_asha")
        simulate(race, draw_curves(64, 5, 18, np.random.default_rng(seed)).scores, 4)
        spent.append(race.spent_fold_epochs)
        complete.append(sum(state is State.COMPLETE for state in states(race).values()))
    assert 1400 <= np.mean(spent) <= 1900  # 1637 in the design
    assert 1.5 <= np.mean(complete) <= 6  # 3.6 in the design


def test_no_slot_idles_while_a_guess_is_possible() -> None:
    scores = draw_curves(64, 5, 18, np.random.default_rng(3)).scores
    race = big()
    log = simulate(race, scores, 16)
    guesses = [event for event in log.events if getattr(event, "speculative", False)]
    assert guesses and log.time < 60


def test_ten_thousand_trials_are_workable() -> None:
    began = time.process_time()
    race = make_race("fold_asha", RaceConfig(trials=10_000, folds=2, max_t=9))
    scores = np.random.default_rng(0).random((10_000, 2, 9))
    log = simulate(race, np.maximum.accumulate(scores, axis=2), 64)
    assert race.done and len(log.events) > 20_000
    assert time.process_time() - began < 60, "seconds of CPU, however long it had to wait for one"


def test_a_simulation_is_its_seed_alone() -> None:
    scores = draw_curves(64, 5, 18, np.random.default_rng(1)).scores
    first, second = (simulate(big(), scores, 4, np.random.default_rng(2), 0.1) for _ in range(2))
    assert first.events == second.events and first.decisions == second.decisions


def test_failures_without_a_source_of_chance_are_refused() -> None:
    with pytest.raises(ValueError, match="need an rng"):
        simulate(big(), np.zeros((64, 5, 18)), 4, failure_rate=0.1)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_race_can_be_cut_twice(rule: str) -> None:
    race = make_race(rule, RaceConfig(trials=12, folds=2, max_t=4))
    planned = race.planned_fold_epochs
    for trials in (8, 5):
        race.apply(Shortened(trials))
    assert [trial for trial, state in states(race).items() if state is State.WAITING] == list(range(5))
    five = make_race(rule, RaceConfig(trials=5, folds=2, max_t=4))
    assert race.planned_fold_epochs == five.planned_fold_epochs < planned
    assert race.remaining_fold_epochs(12) == race.remaining_fold_epochs(5) == race.planned_fold_epochs
    run_all(race, lambda trial, fold: 0.1 * trial)
    assert race.done and states(race)[4] is State.COMPLETE
