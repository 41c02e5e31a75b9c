from __future__ import annotations

import pytest

from orchestrator.core.events import EpochEnded, FoldRunKey, LegStarted
from orchestrator.study.epoch_choice import REFINED
from orchestrator.study.history import Best, History

KEY = FoldRunKey(0, 1)


def epochs(*scores: float, first: int = 1) -> list[EpochEnded]:
    return [EpochEnded(0, 1, number, score) for number, score in enumerate(scores, start=first)]


@pytest.mark.parametrize(("mode", "best"), [("max", Best(2, 0.5)), ("min", Best(1, 0.2))])
def test_the_best_epoch_is_the_earliest_of_equals(mode: str, best: Best) -> None:
    history = History(mode, epochs(0.2, 0.5, 0.5, 0.2))
    assert history.best(KEY) == best
    assert history.best(KEY, until=1) == Best(1, 0.2)
    assert history.best(FoldRunKey(9, 9)) is None


def test_a_leg_that_starts_earlier_replaces_what_came_after() -> None:
    history = History("max", [*epochs(0.1, 0.9, 0.3), LegStarted(0, 1, 1, 3), *epochs(0.4, first=2)])
    assert history.done(KEY) == 2
    assert history.best(KEY) == Best(2, 0.4)


def test_a_trial_is_complete_when_all_its_folds_are_at_full_length() -> None:
    history = History("max")
    for fold in range(3):
        assert history.complete(folds=3, max_t=2) == []
        for epoch in (1, 2):
            history.add(EpochEnded(4, fold, epoch, 0.5))
    assert history.complete(folds=3, max_t=2) == [4]
    assert history.complete(folds=3, max_t=3) == []


def test_the_epoch_of_the_least_log_loss_after_temperature_is_kept_where_the_study_says_so() -> None:
    """The running best score, by which a race goes, stays what it is."""
    losses = (0.9, 0.4, 0.4, 0.7)
    events = [
        EpochEnded(0, 1, number, score, {REFINED: loss})
        for number, (score, loss) in enumerate(zip((0.5, 0.3, 0.6, 0.8), losses, strict=True), start=1)
    ]
    history = History("max", events, "refine")
    assert history.best(KEY) == Best(2, 0.3)  # the earliest of equals
    assert history.best(KEY, until=1) == Best(1, 0.5)
    assert history.running_bests(KEY) == [0.5, 0.5, 0.6, 0.8]
    history.add(LegStarted(0, 1, 1, 3))
    assert history.best(KEY) == Best(1, 0.5)
    assert History("max", events).best(KEY) == Best(4, 0.8)


def test_an_epoch_without_the_loss_is_kept_only_before_all_others() -> None:
    events = [EpochEnded(0, 1, 1, 0.9), EpochEnded(0, 1, 2, 0.1, {REFINED: 5.0})]
    assert History("max", events, "refine").best(KEY) == Best(2, 0.1)
