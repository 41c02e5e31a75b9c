"""What a search will cost: how many trials a budget affords, and what is said before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from orchestrator.budget import Budget
from orchestrator.core.errors import InputError
from orchestrator.core.text import counted
from orchestrator.race import FoldASHA, RaceOptions, make_race, rule_class
from orchestrator.race.ladder import build_ladder, cost
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves
from orchestrator.space import SearchSpace

SIMULATED_FOLD_EPOCHS = 20_000  # about half a second of simulated races
DRAWS = 10


def numbers_of(space: SearchSpace, fold_order: Sequence[int] | None = None) -> RaceOptions:
    """What a rule is built from."""
    return RaceOptions(
        trials=space.trials,
        folds=space.folds,
        max_t=space.max_t,
        grace_period=space.grace_period,
        reduction_factor=space.reduction_factor,
        finalists=space.finalists,
        mode=space.mode,
        fold_order=fold_order,
        ladder=space.ladder,
    )


def planned(space: SearchSpace, rule: str, trials: int) -> int:
    """Fold-epochs that a race of so many trials plans; a ladder that is given stays with its own number."""
    own = space if trials == space.trials else replace(space, trials=trials, ladder=None)
    if rule_class(rule) is FoldASHA and own.ladder is None:  # a race of many trials takes long to build
        sizes = (own.folds, own.max_t, own.grace_period, own.reduction_factor, own.finalists)
        return cost(build_ladder(trials, *sizes))
    return make_race(rule, **numbers_of(own)).planned_fold_epochs


def fit_to_budget(space: SearchSpace, rule: str, budget: Budget, slots: int, most: int | None) -> SearchSpace:
    """The space with as many trials as the fold-epochs of the budget are enough for, at most `most`.

    A space whose ladder is given keeps its number: the race is shortened or extended as it goes. slots: what
    they may guess ahead is kept free. Raises InputError for a budget below the finalists.
    """
    limit = budget.fold_epochs
    if limit is None:
        return space
    finalists = min(space.finalists, space.trials)
    least = finalists * space.folds * space.max_t
    if limit < least:
        raise InputError(
            f"--max-fold-epochs {limit}: {counted(finalists, 'finalist')} on {counted(space.folds, 'fold')} "
            f"of {counted(space.max_t, 'epoch')} {'takes' if finalists == 1 else 'take'} {least}; "
            "give at least that, or fewer --max-epochs"
        )
    if space.ladder is not None:
        return space
    trials = _most_within(space, rule, limit - slots, most)
    return replace(space, trials=max(trials, finalists))


def _most_within(space: SearchSpace, rule: str, limit: int, most: int | None) -> int:
    """The largest number of trials, from 1 to `most`, whose plan is within the limit (1 where none is)."""
    low, high = 1, 2
    while (most is None or high <= most) and planned(space, rule, high) <= limit:
        low, high = high, 2 * high
    high = high if most is None else min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if planned(space, rule, middle) <= limit else (low, middle)
    return low


def expected_fold_epochs(space: SearchSpace, rule: str, slots: int, seed: int) -> int:
    """What races on synthetic learning curves spend on the average; the plan where that takes too long."""
    numbers = numbers_of(space)
    numbers["mode"] = "max"  # as the curves are
    plan = planned(space, rule, space.trials)
    draws = min(SIMULATED_FOLD_EPOCHS // plan, DRAWS)
    spent = []
    for draw in range(draws):
        race = make_race(rule, **numbers)
        curves = draw_curves(space.trials, space.folds, space.max_t, np.random.default_rng([seed, draw]))
        simulate(race, curves.scores, slots, record=False)
        spent.append(race.spent_fold_epochs)
    return round(sum(spent) / draws) if draws else plan


def plan_text(
    space: SearchSpace, rule: str, slots: int, seed: int, budget: Budget, goes_on: bool = False
) -> str:
    """One line: what the race is expected to spend, beside running everything, and the budget.

    goes_on: more trials follow these as long as there is time.
    """
    whole = space.trials * space.folds * space.max_t
    expected = expected_fold_epochs(space, rule, slots, seed)
    about = f"about {counted(expected, 'fold-epoch')}"
    text = f"plan: {counted(space.trials, 'trial')}, {about} with the rule {rule}; "
    text += f"all at full length would be {whole}"
    text += "; then more trials until the budget ends" if goes_on else ""
    return f"{text}; budget: {budget}" if budget.given else text
