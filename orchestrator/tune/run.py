"""One search from request to result. What the command `tune` calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from orchestrator.cli.signals import ignore_interrupts
from orchestrator.core.callbacks import Announce
from orchestrator.execution.driver import Driver, View
from orchestrator.execution.resume_state import CHECKPOINT_EVERY_S
from orchestrator.progress import EventListener, StudyContext, StudyView, progress_bar
from orchestrator.race import make_race
from orchestrator.race.contract import Race
from orchestrator.sampling import make_sampler
from orchestrator.space import SearchSpace
from orchestrator.study.study import Study
from orchestrator.tracking import mirrored
from orchestrator.tune.budgeting import (
    budget_of,
    controller_for,
    goes_on_until_the_end,
    is_spent,
    requested_budget,
)
from orchestrator.tune.disk import guard_of
from orchestrator.tune.finalists import fewer_complete_lines
from orchestrator.tune.new_study import begin
from orchestrator.tune.packing_record import record_packings
from orchestrator.tune.plan import plan_text, race_config
from orchestrator.tune.replaying import replay
from orchestrator.tune.request import Interrupted, NothingCompleteError, PreparedStudy, Request, Result
from orchestrator.tune.resume import record_resume, reopen
from orchestrator.tune.retrying import end_lines


class MakeView(Protocol):
    """Makes who watches a race from its first event to its last."""

    def __call__(
        self, race: Race, study: StudyContext, *, elapsed: Callable[[], float]
    ) -> contextlib.AbstractContextManager[View]: ...


def run_search(
    request: Request,
    say: Announce = print,
    clock: Callable[[], float] = time.monotonic,
    listener: EventListener | None = None,
    view: MakeView = StudyView,
    conclude: Announce | None = None,
    trackers: contextlib.ExitStack | None = None,
) -> Result:
    """Runs or continues a study. clock: seconds, for the budget of time; listener: in place of a view; view:
    made of race, study and seconds since the beginning; conclude: takes what there is to say once the search
    is over (None: `say`); trackers: what ends them, where they are to see what the caller makes of the study.

    Raises InputError, StorageError, NothingCompleteError, Interrupted.
    """
    started = clock()
    with contextlib.ExitStack() as stack:
        with progress_bar("preparing the study"):
            ready = (reopen if request.resume else begin)(request, stack, say)
        study = ready.study
        try:
            following = mirrored(study.path, request.destinations, say, conclude or say)
            (trackers or stack).enter_context(following)
            race = _search(ready, request, say, lambda: clock() - started, listener, view)
        except KeyboardInterrupt:
            ignore_interrupts()
            raise Interrupted(study.path, is_spent(study), study.header.own_code) from None
        complete, seconds = study.complete_trials(), clock() - started
        fewer = fewer_complete_lines(study, race, len(complete), request, ready.backend.slots)
        for line in (*end_lines(study, request), *fewer):
            (conclude or say)(line)
        may_be_best = study.confidence_set()
    if not complete:
        raise NothingCompleteError(study)
    return Result(study.path, complete, seconds, may_be_best)


def _search(
    ready: PreparedStudy,
    request: Request,
    say: Announce,
    elapsed: Callable[[], float],
    listener: EventListener | None,
    make_view: MakeView,
) -> Race:
    """The race, done."""
    study, header, space, backend = ready.study, ready.study.header, ready.space, ready.backend
    record_packings(study, backend.packings)
    sampler = make_sampler(header.sampler, space, header.seed, header.tries)
    race = _new_race(study, space)
    with progress_bar("replaying the journal"):
        note = replay(race, study)
    if request.resume:
        if note:
            say(note)
        record_resume(request, study, race, sampler, say)
    goes_on = goes_on_until_the_end(request, study, sampler.limit)
    if not request.resume:
        budget = requested_budget(request)
        with progress_bar("simulating the race"):
            plan = plan_text(space, header.rule, backend.slots, header.seed, budget, goes_on)
        say(plan)
    context = StudyContext(
        name=header.name,
        metric=space.metric,
        mode=space.mode,
        max_t=space.max_t,
        slots=backend.slots,
        folds=space.folds,
        configs=study.configs,
        resumed=request.resume,
        budget=budget_of(request, study),
        finishing=is_spent(study),
        goes_on=goes_on,
    )
    shown = listener or make_view(race, context, elapsed=elapsed)
    with shown as view:
        controller = controller_for(
            ready, request, race, lambda: _rebuild_race(study, space), sampler.limit, elapsed
        )
        guard = guard_of(ready, request, race, tell=getattr(view, "message", say))
        every = CHECKPOINT_EVERY_S if request.checkpoint_every is None else request.checkpoint_every
        driver = Driver(race, study, sampler, ready.dataset, view, controller, guard, every)
        driver.settle()
        driver.keep_budget()
        with driver.noting_the_end():
            backend.run(driver)
    return race


def _new_race(study: Study, space: SearchSpace) -> Race:
    header = study.header
    return make_race(header.rule, race_config(space, tuple(header.fold_order), header.rule_version))


def _rebuild_race(study: Study, space: SearchSpace) -> Race:
    race = _new_race(study, space)
    replay(race, study)
    return race
