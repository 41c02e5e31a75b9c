"""One search from request to result. What the command `tune` calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.signals import ignore_interrupts
from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import NoCompleteTrialError
from orchestrator.core.events import Closed, Decided, Opened
from orchestrator.execution.driver import Driver
from orchestrator.progress import StudyContext, StudyView
from orchestrator.race import make_race
from orchestrator.race.contract import Race
from orchestrator.sampling import Sampler, make_sampler
from orchestrator.space import SearchSpace
from orchestrator.study.study import Study
from orchestrator.tune.budgeting import (
    budget_of,
    goes_on_until_the_end,
    is_spent,
    keeper_for,
    requested_budget,
)
from orchestrator.tune.new_study import begin
from orchestrator.tune.plan import numbers_of, plan_text
from orchestrator.tune.request import Interrupted, PreparedStudy, Request, Result
from orchestrator.tune.resume import record_resume, reopen

if TYPE_CHECKING:
    from orchestrator.tracking import Tracker


def run_search(
    request: Request, say: Announce = print, clock: Callable[[], float] = time.monotonic
) -> Result:
    """Runs or continues a study. clock: seconds, for the budget of time.

    Raises InputError, StorageError, NoCompleteTrialError, Interrupted.
    """
    started = clock()
    with contextlib.ExitStack() as stack:
        ready = (reopen if request.resume else begin)(request, stack, say)
        study = ready.study
        try:
            _search(ready, request, say, lambda: clock() - started)
        except KeyboardInterrupt:
            ignore_interrupts()
            raise Interrupted(study.path, is_spent(study), study.header.own_code) from None
        complete = study.complete_trials()
    if not complete:
        raise NoCompleteTrialError(
            f"study {study.path} ended without a complete trial; the reasons are in {study.files.journal}"
        )
    return Result(study.path, complete, clock() - started)


def _search(ready: PreparedStudy, request: Request, say: Announce, elapsed: Callable[[], float]) -> None:
    study = ready.study
    header = study.header
    sampler = make_sampler(header.sampler, ready.space, header.seed, header.tries)
    race = _rebuild_race(study, ready.space)
    if request.resume:
        record_resume(request, study, race, sampler, say)
    else:
        goes_on = goes_on_until_the_end(request, study, sampler.limit)
        slots, seed = ready.backend.slots, header.seed
        say(plan_text(ready.space, header.rule, slots, seed, requested_budget(request), goes_on))
    _drive(ready, race, sampler, request, say, elapsed)


def _rebuild_race(study: Study, space: SearchSpace) -> Race:
    race = make_race(study.header.rule, **numbers_of(space, tuple(study.header.fold_order)))
    replay(race, study)
    return race


def replay(race: Race, study: Study) -> None:
    """Shows the race every event of the journal that was meant for it."""
    for event in study.events:
        if not isinstance(event, Opened | Decided | Closed):
            race.observe(event)


def _drive(
    ready: PreparedStudy,
    race: Race,
    sampler: Sampler,
    request: Request,
    say: Announce,
    elapsed: Callable[[], float],
) -> None:
    study, space, backend = ready.study, ready.space, ready.backend
    tracker = _tracker(study.path, request.wandb) if request.wandb else None
    for note in tracker.notes if tracker else ():
        say(note)
    context = StudyContext(
        name=study.header.name,
        metric=space.metric,
        mode=space.mode,
        max_t=space.max_t,
        slots=backend.slots,
        configs=study.configs,
        resumed=request.resume,
        budget=budget_of(request, study),
        finishing=is_spent(study),
        goes_on=goes_on_until_the_end(request, study, sampler.limit),
    )
    try:
        with StudyView(race, context, elapsed=elapsed) as view:
            keeper = keeper_for(
                ready, request, race, lambda: _rebuild_race(study, space), sampler.limit, elapsed
            )
            driver = Driver(race, study, sampler, ready.dataset, view, keeper)
            driver.settle()
            driver.keep_budget()
            with driver.noting_the_end():
                backend.run(driver)
    finally:
        if tracker is not None and (left := tracker.stop()):
            say(left)


def _tracker(study: Path, project: str) -> Tracker:
    from orchestrator.tracking import Tracker  # an extra: only when asked for

    return Tracker.start(study, project)
