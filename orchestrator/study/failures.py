"""What failed in a study, why, and whether it might have won."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.events import BudgetSpent, Event, FoldRunKey, LegFailed, Proposed, State
from orchestrator.core.failure_causes import cause
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.race import rule_class
from orchestrator.race.finishing import FOR_FINALISTS
from orchestrator.race.running import COMPARED_FOR_GOOD
from orchestrator.study.history import History
from orchestrator.study.study import Study
from orchestrator.study.trial_states import TrialStates

LISTED = 12  # trials named in a line
NOBODYS = ("lost", "crowded")  # failures that are not the trial's own; one that is its own says more


@dataclass(frozen=True)
class FailedTrial:
    """A trial that is out because a fold run of it failed."""

    trial: int
    failure: str  # its kind, as in the journal
    cause: str  # the first words that say why


@dataclass(frozen=True)
class FailedAhead:
    """A trial that failed while it was ahead of the one that won, at the last point that both reached."""

    trial: int
    winner: int
    folds: int
    epochs: int
    score: float  # mean over those folds of the best score in so many epochs, in the metric's own direction
    winners: float  # the same of the winner


def failed_trials(events: Sequence[Event]) -> list[FailedTrial]:
    """In the order of their numbers; those that were run again and did well are not among them."""
    states = TrialStates(events)
    last: dict[int, LegFailed] = {}
    for event in events:
        if isinstance(event, LegFailed) and (event.trial not in last or event.failure not in NOBODYS):
            last[event.trial] = event
    return [
        FailedTrial(trial, event.failure, cause(event.error))
        for trial, event in sorted(last.items())
        if states.of_trial(trial) is State.FAIL
    ]


def failure_lines(failed: Sequence[FailedTrial]) -> list[str]:
    """By kind and cause, the most frequent first: how many, why, and which trials."""
    by_why: dict[tuple[str, str], list[FailedTrial]] = {}
    for item in failed:
        by_why.setdefault((item.failure, re.sub(r"\d+", "#", item.cause)), []).append(item)
    lines = [] if not failed else [f"{counted(len(failed), 'trial')} failed:"]
    for (failure, _), items in sorted(by_why.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        names = shortened([str(item.trial) for item in items], limit=LISTED)
        plural = "trial" if len(items) == 1 else "trials"
        lines.append(f"  {len(items)} x {failure}: {on_one_line(items[0].cause)} ({plural} {names})")
    return lines


def retry_command(
    study: Path, own_code: Mapping[str, Any] | None, trials: Iterable[int] = (), more: Sequence[str] = ()
) -> str:
    """The command that runs failed trials again, ready to paste. trials: none of them means all."""
    space_file = None if own_code is None else str(own_code["space_file"])
    return resume_command(study, space_file, [*more, "--retry-failed", *map(str, trials)])


def resume_command(study: Path, space_file: str | None, more: Sequence[str] = ()) -> str:
    """The command that continues a study, ready to paste. more: options."""
    words = ["python", "-m", "orchestrator.tune", "--resume", "--study", study.name]
    if study.parent != Path("runs"):
        words += ["--runs", str(study.parent)]
    if space_file is not None:
        words += ["--space", space_file]
    return shlex.join([*words, *more])


def failed_ahead(
    events: Sequence[Event], mode: str, folds: int, finalists: int, winner: int, choice: str = "best"
) -> list[FailedAhead]:
    """Failed trials that might have won, best first by what they had when they failed.

    Compared is where the failed one had come to: as many epochs of each fold that it had begun as it had of
    the shortest of them, or of fewer folds where that is more fold-epochs. It counts if it was ahead of the
    winner there, and among the best `finalists` of all trials that came so far.
    """
    history, states = History(mode, events, choice), TrialStates(events)
    sign = 1.0 if mode == "max" else -1.0
    trials = sorted({event.trial for event in events if isinstance(event, Proposed)})
    found = []
    for trial in (item for item in trials if states.of_trial(item) is State.FAIL):
        point = _reached(history, trial, folds)
        if point is None:
            continue
        means = {other: mean for other in trials if (mean := _mean(history, other, *point)) is not None}
        ranked = sorted(means, key=lambda other: (-means[other], other))
        if winner in means and means[trial] > means[winner] and trial in ranked[:finalists]:
            own, winners = sign * means[trial], sign * means[winner]
            found.append(FailedAhead(trial, winner, len(point[0]), point[1], own, winners))
    return sorted(found, key=lambda item: (-item.folds * item.epochs, -sign * item.score, item.trial))


def why_not_again(rule: str, events: Sequence[Event], trial: int) -> str:
    """What keeps a failed trial from being run again in its study; "" where nothing does."""
    if not rule_class(rule).takes_back:
        return COMPARED_FOR_GOOD
    spent = next((at for at, event in enumerate(events) if isinstance(event, BudgetSpent)), len(events))
    if spent < len(events) and TrialStates(events[:spent]).of_trial(trial) is State.FAIL:
        return f"{FOR_FINALISTS}; it failed before"
    return ""


def again_lines(study: Study, trials: Sequence[int], all_failed: bool, more: Sequence[str] = ()) -> list[str]:
    """How these trials are run again. all_failed: the study has no other failed ones."""
    why = {trial: why_not_again(study.header.rule, study.events, trial) for trial in trials}
    runs = [trial for trial in trials if not why[trial]]
    it = "it" if len(trials) == 1 else "them"
    if not runs:
        none = "it cannot" if len(trials) == 1 else "none of them can"
        return [f"{none} be run again in this study: {why[trials[0]]}"]
    named = () if all_failed and len(runs) == len(trials) else runs
    command = retry_command(study.path, study.header.own_code, named, more)
    return [f"run {it if len(runs) == len(trials) else 'what can be'} again: {command}"]


def ahead_lines(study: Study, more: Sequence[str] = ()) -> list[str]:
    """What there is to say where the trial that won may not be the best. more: options of the command."""
    complete, space, header = study.complete_trials(), study.space, study.header
    if not complete:
        return []
    ahead = failed_ahead(
        study.events, space.mode, space.folds, space.finalists, complete[0].number, header.epoch_choice
    )
    lines = [
        f"note: trial {item.trial} failed while it was ahead of trial {item.winner}, {item.score:.4f} to "
        f"{item.winners:.4f} after {counted(item.epochs, 'epoch')} of {counted(item.folds, 'fold')}, so the "
        "best may be another"
        for item in ahead
    ]
    return [*lines, *again_lines(study, [item.trial for item in ahead], False, more)] if ahead else []


def _reached(history: History, trial: int, folds: int) -> tuple[tuple[int, ...], int] | None:
    """Folds and epochs at which a trial can be compared; None before its first epoch."""
    done = {fold: history.done(FoldRunKey(trial, fold)) for fold in range(folds)}
    points = []
    for epochs in {count for count in done.values() if count}:
        points.append((tuple(fold for fold, count in done.items() if count >= epochs), epochs))
    return max(points, key=lambda point: (len(point[0]) * point[1], len(point[0])), default=None)


def _mean(history: History, trial: int, folds: Sequence[int], epochs: int) -> float | None:
    """Of the best score in so many epochs, larger is better; None where the trial did not come so far."""
    bests = [history.running_bests(FoldRunKey(trial, fold)) for fold in folds]
    if any(len(run) < epochs for run in bests):
        return None
    return math.fsum(run[epochs - 1] for run in bests) / len(bests)
