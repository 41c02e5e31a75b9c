"""A vote early: something to hand in long before the finals, at a bounded price, for nobody's good."""

import numpy as np
import pytest

from orchestrator.core.events import Action, EpochEnded, LegStarted, Resumed, Shortened
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves

FOLDS, EPOCHS = 5, 18


def raced(seed: int, slots: int = 2, **knobs):
    """(log, fold-epochs after each epoch's end at which a trial that is in had a model of every fold)."""
    trials = knobs.pop("trials", 64)
    race = make_race("fold_asha", RaceConfig(trials=trials, folds=FOLDS, max_t=EPOCHS, **knobs))
    log = simulate(race, draw_curves(trials, FOLDS, EPOCHS, np.random.default_rng(seed)).scores, slots)
    owned, out, votes, spent = {}, set(), [], 0
    for event, decisions in zip(log.events, log.decisions, strict=True):
        if isinstance(event, EpochEnded):
            spent += 1
            owned.setdefault(event.trial, set()).add(event.fold)
        out |= {item.trial for item in decisions if item.action in (Action.PRUNE, Action.FAIL)}
        if isinstance(event, EpochEnded) and any(
            len(folds) == FOLDS for trial, folds in owned.items() if trial not in out
        ):
            votes.append(spent)
    return log, votes, spent


def early(log) -> list[LegStarted]:
    return [
        event for event in log.events if isinstance(event, LegStarted) and "an early vote" in event.reason
    ]


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_vote_is_there_after_a_few_fold_epochs_and_nearly_always_from_then_on(slots):
    for seed in range(5):
        _, votes, spent = raced(seed, slots)
        assert votes[0] <= 16 + 3 * slots
        assert len(votes) >= 0.95 * (spent - votes[0])
        _, late, _ = raced(seed, slots, early_votes=0)
        assert late[0] > 100


@pytest.mark.parametrize("share", [3, 5])
def test_no_more_than_one_fold_epoch_in_so_many_goes_to_early_votes(share):
    log, _, _ = raced(0, early_votes=share)
    given = spent = 0
    for event in log.events:
        spent += isinstance(event, EpochEnded)
        if isinstance(event, LegStarted) and "an early vote" in event.reason:
            given += event.end - event.start
            assert share * given <= spent
    assert given > 0


def test_the_leader_gets_every_fold_to_the_epoch_at_which_it_leads():
    log, _, _ = raced(1, slots=1)
    legs = early(log)[:4]
    assert len({leg.trial for leg in legs}) == 1
    assert len({leg.fold for leg in legs}) == 4  # its first fold is there
    assert [(leg.start, leg.end) for leg in legs] == [(0, 1)] * 4
    assert not any(leg.speculative for leg in legs)


def test_a_leg_that_a_kill_cut_short_counts_once():
    race = make_race("fold_asha", RaceConfig(trials=64, folds=FOLDS, max_t=EPOCHS))
    while "an early vote" not in (leg := race.next()).reason:
        race.apply(LegStarted(leg.trial, leg.fold, leg.start, leg.end))
        race.apply(EpochEnded(leg.trial, leg.fold, leg.start + 1, 0.5))
    kept = []
    for _ in range(3):
        assert race.next() == leg
        race.apply(LegStarted(leg.trial, leg.fold, leg.start, leg.end))
        kept.append(race.finish_fold_epochs)
        race.apply(Resumed())
    assert len(set(kept)) == 1


def test_they_end_once_a_trial_is_at_a_rung_of_all_folds():
    log, _, _ = raced(2)
    finals = next(
        number
        for number, event in enumerate(log.events)
        if isinstance(event, LegStarted) and "to rung 5" in event.reason
    )
    assert early(log)
    assert not any("an early vote" in getattr(event, "reason", "") for event in log.events[finals:])


@pytest.mark.parametrize("seed", range(5))
def test_those_that_complete_are_the_same_with_and_without(seed):
    ends = []
    for share in (0, 3):
        log, _, _ = raced(seed, early_votes=share)
        ends.append(
            {item.trial for items in log.decisions for item in items if item.action is Action.COMPLETE}
        )
    assert ends[0] == ends[1]


def test_a_journal_of_before_goes_on_without():
    assert not early(raced(0, rule_version=3)[0])


def test_a_small_race_has_none():
    assert not early(raced(0, trials=11)[0])
    assert early(raced(0, trials=20)[0])


def test_a_race_that_is_to_complete_fewer_has_an_early_vote_among_however_few() -> None:
    race = make_race("fold_asha", RaceConfig(trials=16, folds=2, max_t=6))
    for trial in range(4):
        race.apply(LegStarted(trial, 0, 0, 1))
        race.apply(EpochEnded(trial, 0, 1, 0.9 - trial / 10))
    assert race.next().trial == 4  # no early vote among four
    race.apply(Shortened(4, 1))
    leg = race.next()
    assert leg is not None and leg.reason.startswith("an early vote")
    assert (leg.trial, leg.fold) == (0, 1)
