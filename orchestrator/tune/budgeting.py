"""The budget of a study: what was asked for now, what its header says, and who keeps it."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.budget import Bounds, Budget, BudgetController, least_fold_epochs
from orchestrator.core.errors import StudyError
from orchestrator.core.events import BudgetSpent
from orchestrator.race.contract import Race
from orchestrator.study.header import BudgetHeader
from orchestrator.study.study import Study
from orchestrator.tune.plan import planned
from orchestrator.tune.request import PreparedStudy, Request


def requested_budget(request: Request) -> Budget:
    return Budget(request.max_fold_epochs, request.time_budget)


def header_of(request: Request, cohort: int) -> BudgetHeader:
    """What a new study keeps of it. cohort: trials the space asks for."""
    return BudgetHeader(request.max_fold_epochs, request.trials is not None, cohort)


def budget_of(request: Request, study: Study) -> Budget:
    """As asked for now, else as the study began."""
    return Budget(request.max_fold_epochs or study.header.budget.fold_epochs, request.time_budget)


def is_spent(study: Study) -> bool:
    """Whether only its finalists are still run."""
    return any(isinstance(event, BudgetSpent) for event in study.events)


def is_spent_for_good(study: Study) -> bool:
    """Whether that is for want of fold-epochs: more time makes no more finalists."""
    return any(isinstance(event, BudgetSpent) and event.finalists is None for event in study.events)


def check_budget(request: Request, study: Study, race: Race) -> None:
    """Raises StudyError for a budget, or trials, that this study can no longer be given."""
    if is_spent(study):
        _refuse_spent(request, study, race)
        return
    limit = budget_of(request, study).fold_epochs
    if limit is not None and race.done and limit < race.spent_fold_epochs:
        raise StudyError(
            f"--max-fold-epochs {limit}: study {study.path} is complete and has spent "
            f"{race.spent_fold_epochs}; leave it out, or give more than that to go on"
        )
    least = least_fold_epochs(race, bounds_of(study, slots=1))
    if limit is not None and limit < least:
        spent = race.spent_fold_epochs
        raise StudyError(
            f"--max-fold-epochs {limit}: study {study.path} has spent {spent} and its finalists take "
            f"{least - spent} more; give at least {least}"
        )


def _refuse_spent(request: Request, study: Study, race: Race) -> None:
    """More time may complete more of the finalists, where that was what there was too little of."""
    time_helps = not is_spent_for_good(study) and (not race.done or race.finalists < race.most_finalists)
    timed = request.time_budget is not None and not time_helps
    if request.max_fold_epochs is not None or request.trials is not None or timed:
        out = (
            "--trials and --max-fold-epochs"
            if time_helps
            else "--trials, --max-fold-epochs and --time-budget"
        )
        raise StudyError(
            f"study {study.path}: its budget is spent and only its finalists are still in;\nleave "
            f"out {out}, or begin another study without --resume"
        )


def bounds_of(study: Study, slots: int, most: int | None = None) -> Bounds:
    space = study.space
    return Bounds(space.finalists, space.folds, space.max_t, slots, study.trials, study.header.cohort, most)


def most_trials(request: Request, study: Study, limit: int | None) -> int | None:
    """Trials there may be in all; None: as many as the budget affords. limit: of the sampler."""
    given = request.trials is not None or study.header.budget.trials_given
    numbers = [study.trials if given else None, limit]
    return min((number for number in numbers if number is not None), default=None)


def goes_on_until_the_end(request: Request, study: Study, limit: int | None) -> bool:
    """Whether trials follow trials until the time is over."""
    open_end = most_trials(request, study, limit) is None
    return open_end and budget_of(request, study).seconds is not None and not is_spent(study)


def controller_for(
    ready: PreparedStudy,
    request: Request,
    race: Race,
    ahead: Callable[[], Race],
    limit: int | None,
    elapsed: Callable[[], float],
) -> BudgetController | None:
    """Who keeps the budget, or None where there is none or it is spent.

    ahead: makes another race that is where this one is; limit: trials the sampler has configurations for.
    """
    study, space = ready.study, ready.space
    budget = budget_of(request, study)
    if not budget.given or is_spent_for_good(study):
        return None
    bounds = bounds_of(study, ready.backend.slots, most_trials(request, study, limit))
    rule = study.header.rule
    return BudgetController(
        race, ahead(), budget, bounds, lambda trials: planned(space, rule, trials), elapsed, study.configs,
        finishing=is_spent(study),
    )  # fmt: skip
