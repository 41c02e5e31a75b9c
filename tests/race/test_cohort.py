"""Who goes on up a ladder: the worked example of `orchestrator.race.cohort`, line by line."""

from orchestrator.race.cohort import Cohort
from orchestrator.race.ladder import check_ladder
from tests.support.scenes import LADDER


def promoted(cohort: Cohort, rung: int) -> list[int]:
    """Promotes all who are certain to go on from this rung."""
    trials = []
    while (trial := cohort.certain(rung)) is not None:
        cohort.promote(trial)
        trials.append(trial)
    return trials


def pruned(cohort: Cohort, rung: int) -> list[int]:
    """Prunes all who are certain not to, the worst first."""
    trials = []
    while (trial := cohort.outside(rung)) is not None:
        cohort.prune(trial)
        trials.append(trial)
    return trials


def enter(cohort: Cohort, trials: range | list[int]) -> None:
    """Trial 0 is the best, trial 63 the worst."""
    for trial in trials:
        cohort.enter(trial, -float(trial))


def test_the_worked_example_of_64_20_7_3_with_failures() -> None:
    cohort = Cohort(0, check_ladder(LADDER, 64, 5, 18))
    enter(cohort, range(50))
    assert cohort.missing(0) == 14
    assert promoted(cohort, 0) == list(range(6))
    assert pruned(cohort, 0) == list(range(49, 19, -1))  # ranks 21 to 50

    cohort.fail(50)
    assert cohort.missing(0) == 13
    assert promoted(cohort, 0) == [6] and pruned(cohort, 0) == []

    enter(cohort, range(51, 64))
    assert promoted(cohort, 0) == list(range(7, 20))
    assert pruned(cohort, 0) == list(range(63, 50, -1)) and cohort.certain(0) is None

    cohort.fail(19)  # a member of rung 2, before its entry there
    assert promoted(cohort, 0) == [20]

    enter(cohort, [*range(19), 20])
    assert promoted(cohort, 1) == list(range(7))
    enter(cohort, range(7))
    assert promoted(cohort, 2) == [0, 1, 2]
    for failed, next_best in ((0, 3), (1, 4), (2, 5), (3, 6)):
        cohort.fail(failed)
        assert promoted(cohort, 2) == [next_best]
    assert cohort.capacity(2) == 7
    cohort.fail(4)  # nobody is left at rung 3 to fill this vacancy
    assert promoted(cohort, 2) == [] and cohort.capacity(2) == 8
    assert promoted(cohort, 1) == [7]


def test_a_failed_trial_keeps_the_entry_it_had() -> None:
    cohort = Cohort(0, check_ladder([(1, 1, 6), (2, 3, 2)], 6, 2, 3))
    enter(cohort, range(5))
    cohort.fail(0)
    assert cohort.missing(0) == 1 and cohort.rank(1, 0) == 2
    assert promoted(cohort, 0) == [1]
