import pytest

from orchestrator.core.errors import SearchSpaceError
from orchestrator.race.ladder import build_ladder, check_ladder, cost, ladder_text, resize, with_room


def steps(*numbers: int) -> list[tuple[int, int, int]]:
    return [(rung.folds, rung.epochs, rung.quota) for rung in build_ladder(*numbers)]


@pytest.mark.parametrize(
    "numbers, expected",
    [
        ((64, 5, 18, 1, 3, 3), [(1, 1, 64), (1, 3, 21), (1, 5, 16), (2, 7, 10), (5, 9, 3), (5, 18, 3)]),
        ((64, 5, 18, 4, 3, 3), [(1, 4, 64), (1, 5, 16), (2, 7, 10), (5, 9, 3), (5, 18, 3)]),
        ((64, 5, 18, 1, 9, 3), [(1, 1, 64), (1, 3, 7), (1, 5, 4), (2, 7, 3), (5, 9, 3), (5, 18, 3)]),
        ((9, 3, 4, 1, 3, 2), [(1, 1, 9), (1, 2, 4), (3, 2, 2), (3, 4, 2)]),
        ((2, 5, 18, 2, 3, 3), [(1, 2, 2), (1, 3, 2), (1, 5, 2), (2, 7, 2), (5, 9, 2), (5, 18, 2)]),
        ((256, 5, 18, 1, 3, 3), [(1, 1, 256), (1, 3, 52), (1, 5, 35), (2, 7, 16), (5, 9, 4), (5, 18, 3)]),
        ((8, 1, 1, 1, 3, 3), [(1, 1, 8)]),
        ((8, 5, 1, 1, 3, 3), [(1, 1, 8), (2, 1, 4), (5, 1, 3)]),
    ],
)
def test_the_default_ladder_follows_from_the_knobs(
    numbers: tuple[int, ...], expected: list[tuple[int, int, int]]
) -> None:
    assert steps(*numbers) == expected


def test_the_plan_pays_once_for_what_rungs_share() -> None:
    ladder = check_ladder([(1, 2, 64), (1, 6, 20), (2, 12, 7), (5, 18, 3)], 64, 5, 18)
    assert cost(ladder) == 64 * 2 + 20 * 4 + 7 * 18 + 3 * 66 == 532
    assert ladder_text(ladder).endswith(
        "7 at 2 folds x 12 epochs; 3 at 5 folds x 18 epochs (532 fold-epochs planned)"
    )


def test_every_default_ladder_can_be_climbed() -> None:
    for trials in (1, 2, 5, 64):
        for folds in (1, 2, 5):
            for max_t in (1, 2, 5, 18):
                for factor in (2, 3, 4):
                    ladder = steps(trials, folds, max_t, min(2, max_t), factor, 3)
                    check_ladder(ladder, trials, folds, max_t)


@pytest.mark.parametrize(
    "ladder, words",
    [
        ([], "has no rung"),
        ([(1, 2)], "three whole numbers"),
        ([(1, 2, 0), (5, 18, 3)], "three whole numbers"),
        ([(1, 2, 8), (1, 2, 4), (5, 18, 3)], "does not go beyond"),
        ([(2, 2, 8), (1, 6, 4), (5, 18, 3)], "does not go beyond"),
        ([(1, 2, 8), (5, 18, 9)], "lower its quota"),
        ([(1, 2, 8), (5, 17, 3)], "max_t=18"),
        ([(1, 2, 8), (4, 18, 3)], "all folds=5"),
        ([(1, 2, 7), (5, 18, 3)], "all trials=8"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(ladder: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words):
        check_ladder(ladder, 8, 5, 18)


def test_a_cohort_takes_its_quotas_from_its_own_size() -> None:
    ladder = check_ladder([(1, 2, 64), (1, 6, 20), (2, 12, 7), (5, 18, 3)], 64, 5, 18)
    assert [rung.quota for rung in resize(ladder, 16)] == [16, 5, 3, 3]
    assert [rung.quota for rung in resize(ladder, 2)] == [2, 2, 2, 2]
    assert [rung.quota for rung in resize(ladder, 128)] == [128, 40, 14, 3]


def test_a_ladder_for_fewer_finalists_has_room_for_those_that_climbed_already() -> None:
    one = build_ladder(64, 5, 18, 1, 3, 1)
    assert [rung.quota for rung in one] == [64, 14, 10, 5, 1, 1]
    roomy = with_room(one, [50, 20, 0, 6, 0, 0])
    assert [rung.quota for rung in roomy] == [64, 20, 10, 6, 1, 1]
    assert all(rung.least <= rung.quota <= rung.most <= rung.widest for rung in roomy)


def test_a_given_ladder_has_fewer_finalists_at_its_top_alone() -> None:
    given = check_ladder([(1, 1, 8), (2, 2, 4), (2, 4, 3)], 8, 2, 4)
    assert [rung.quota for rung in resize(given, 8, 1)] == [8, 4, 1]
    assert resize(given, 8) == resize(given, 8, 3)
