"""What a search will cost: how many trials a budget affords, and what is said before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from orchestrator.budget import Budget
from orchestrator.core.errors import InputError
from orchestrator.core.text import counted
from orchestrator.race import VERSION, RaceConfig, config_from, make_race, rule_class
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves
from orchestrator.space import SearchSpace

SIMULATED_FOLD_EPOCHS = 20_000  # of all draws together: about half a second of simulated races
DRAWS = 10  # at most


def race_config(
    space: SearchSpace, fold_order: Sequence[int] | None = None, rule_version: int = VERSION
) -> RaceConfig:
    """What a race over this space is built from. rule_version: of the study's header."""
    return config_from(space, fold_order=fold_order, rule_version=rule_version)


def planned(space: SearchSpace, rule: str, trials: int) -> int:
    """Fold-epochs that a race of so many trials plans; a ladder that is given stays with its own number."""
    own = space if trials == space.trials else replace(space, trials=trials, ladder=None)
    return rule_class(rule).planned(race_config(own))


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
    cfg = replace(race_config(space), mode="max")  # as the curves are
    plan = planned(space, rule, space.trials)
    draws = min(SIMULATED_FOLD_EPOCHS // plan, DRAWS)
    spent = []
    for draw in range(draws):
        race = make_race(rule, cfg)
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
    exhaustive_cost = space.trials * space.folds * space.max_t
    expected = expected_fold_epochs(space, rule, slots, seed)
    about = f"about {counted(expected, 'fold-epoch')}"
    text = f"plan: {counted(space.trials, 'trial')}, {about} with the rule {rule}; "
    text += f"all at full length would be {exhaustive_cost}"
    text += "; then more trials until the budget ends" if goes_on else ""
    return f"{text}; budget: {budget}" if budget.given else text
