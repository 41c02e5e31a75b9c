"""The budget of a study: what was asked for now, what its header says, and who keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.budget import Bounds, Budget, Keeper, least_fold_epochs
from orchestrator.errors import StudyError
from orchestrator.search.plan import planned
from orchestrator.search.request import Ready, Request
from orchestrator.study import Study
from orchestrator.trial import BudgetSpent, Extended, Race


def asked(request: Request) -> Budget:
    return Budget(request.max_fold_epochs, request.time_budget)


def header_of(request: Request) -> dict[str, Any]:
    """What a new study keeps of it: fold-epochs are counted over all its sessions, time is not."""
    if request.max_fold_epochs is None:
        return {}
    return {"budget": {"fold_epochs": request.max_fold_epochs, "trials_given": request.trials is not None}}


def budget_of(request: Request, study: Study) -> Budget:
    """As asked for now, else as the study began."""
    kept = study.header.get("budget", {})
    return Budget(request.max_fold_epochs or kept.get("fold_epochs"), request.time_budget)


def is_spent(study: Study) -> bool:
    """Whether only its finalists are still run, for good."""
    return any(isinstance(event, BudgetSpent) for event in study.events)


def check_budget(request: Request, study: Study, race: Race) -> None:
    """Raises StudyError for a budget, or trials, that this study can no longer be given."""
    if is_spent(study):
        if asked(request).given or request.trials is not None:
            raise StudyError(
                f"study {study.path}: its budget is spent and only its finalists are still in;\nleave "
                "out --trials, --max-fold-epochs and --time-budget, or begin another study without --resume"
            )
        return
    limit = budget_of(request, study).fold_epochs
    least = least_fold_epochs(race, bounds_of(study, slots=1))
    if limit is not None and limit < least:
        spent = race.spent_fold_epochs
        raise StudyError(
            f"--max-fold-epochs {limit}: study {study.path} has spent {spent} and its finalists take "
            f"{least - spent} more; give at least {least}"
        )


def bounds_of(study: Study, slots: int, most: int | None = None) -> Bounds:
    space = study.space
    trials = max((item.trials for item in study.events if isinstance(item, Extended)), default=space.trials)
    return Bounds(space.finalists, space.folds, space.max_t, slots, trials, space.trials, most)


def keeper_for(
    ready: Ready,
    request: Request,
    race: Race,
    ahead: Callable[[], Race],
    limit: int | None,
    elapsed: Callable[[], float],
) -> Keeper | None:
    """Who keeps the budget; None: there is none, or it is spent.

    ahead: makes another race that is where this one is; limit: of the sampler.
    """
    study, space = ready.study, ready.space
    budget = budget_of(request, study)
    if not budget.given or is_spent(study):
        return None
    bounds = bounds_of(study, ready.backend.slots)
    given = request.trials is not None
    if not given and not asked(request).given:
        given = study.header["budget"]["trials_given"]
    most = [number for number in (bounds.trials if given else None, limit) if number is not None]
    bounds = bounds_of(study, ready.backend.slots, min(most, default=None))
    rule = study.header["rule"]
    return Keeper(
        race, ahead(), budget, bounds, lambda trials: planned(space, rule, trials), elapsed, study.configs
    )
