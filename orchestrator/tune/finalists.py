"""Finalists that time had no room for: back where a study gets more time, else named with the way to them."""

from __future__ import annotations

import math

from orchestrator.budget import duration_text, least_fold_epochs
from orchestrator.core.events import EpochEnded, Widened
from orchestrator.core.text import counted
from orchestrator.race.contract import Race
from orchestrator.study.failures import resume_command
from orchestrator.study.study import Study
from orchestrator.tune.budgeting import bounds_of, budget_of, is_spent
from orchestrator.tune.request import Request, repeated_options

AMPLE = 1.5
"""What the missing epochs take at the mean of those that ran, times this, is the time proposed for them."""


def more_finalists(request: Request, study: Study, race: Race) -> list[Widened]:
    """As many as the space asks for where a resumed study had fewer for want of time, within its fold-epochs.

    Where the time of an earlier command was over, that takes a new --time-budget: --resume alone completes
    what was begun then and no more.
    """
    if request.trials not in (None, study.trials) or (is_spent(study) and request.time_budget is None):
        return []  # more trials have all finalists anyway
    now, most = race.finalists, race.most_finalists
    limit = budget_of(request, study).fold_epochs
    if limit is not None and now < most:
        bounds = bounds_of(study, slots=1)
        most = min(most, now + max(limit - least_fold_epochs(race, bounds), 0) // bounds.full)
    return [Widened(most)] if now < most else []


def widened_line(event: Widened, before: int) -> str:
    return (
        f"{counted(event.finalists, 'finalist')} again (there was time for {before}); "
        "trials that were pruned meanwhile begin again"
    )


def fewer_complete_lines(study: Study, race: Race, complete: int, request: Request, slots: int) -> list[str]:
    """Why fewer trials are complete than the space asks for, and how the others become so; [] where time is
    not why. race: done; complete: trials; slots: fold runs that go on at once."""
    wanted, full = min(study.space.finalists, study.trials), study.space.folds * study.space.max_t
    missing = min(wanted - complete, race.most_finalists - race.finalists)
    if not complete or missing <= 0:
        return []
    are = "is" if complete == 1 else "are"
    why = f"{complete} of {counted(wanted, 'finalist')} {are} complete: --time-budget had room for no more"
    limit = budget_of(request, study).fold_epochs
    if limit is not None:
        missing = min(missing, (limit - race.spent_fold_epochs) // full)
    if missing <= 0:
        return [f"{why}, and --max-fold-epochs {limit} has room for none; for more, begin another study"]
    more = repeated_options({**vars(request), "resume": True}, budget_spent=True)
    more += ["--time-budget", duration_text(_ample_s(study, missing * full, slots))]
    own_code = study.header.own_code
    command = resume_command(study.path, None if own_code is None else str(own_code["space_file"]), more)
    goes_on = f"up to {counted(missing * full, 'fold-epoch')} complete {counted(missing, 'finalist')} more"
    return [f"{why};", f"{goes_on}: {command}"]


def _ample_s(study: Study, fold_epochs: int, slots: int) -> float:
    """In whole minutes."""
    seconds = [event.seconds for event in study.events if isinstance(event, EpochEnded)]
    mean = sum(seconds) / len(seconds)
    return 60.0 * max(math.ceil(AMPLE * mean * fold_epochs / max(slots, 1) / 60), 1)
