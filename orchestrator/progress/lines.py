"""The same events as plain lines, for a log file or a pipe: one meaningful thing a line, easy to grep."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.core.events import Action, Decision, EpochEnded, Event, FoldRunKey, LegFailed, own_decision
from orchestrator.core.failure_causes import cause
from orchestrator.core.text import counted
from orchestrator.progress.budget_notices import budget_notice, without_noticed
from orchestrator.progress.draw import budget_text, progress_text
from orchestrator.progress.parameters import parameters, varied
from orchestrator.progress.state import Frame, leaves_slot, subject_of
from orchestrator.progress.text import clean, per_epoch, score
from orchestrator.race.contract import TrialStatus


def event_lines(event: Event, decisions: Sequence[Decision], metric: str) -> Iterator[str]:
    """What is worth a line of an event: a leg that ends, a leg that fails, decisions on trials, what a
    budget asks for."""
    own = None
    notice = budget_notice(event, decisions)
    if notice is not None:
        yield f"{notice.action.lower()} {notice.subject}: {clean(notice.reason)}"
    if isinstance(event, LegFailed):
        key = FoldRunKey(event.trial, event.fold)
        yield f"failed {key} after epoch {event.epoch}: {clean(event.failure)}: {cause(clean(event.error))}"
    elif isinstance(event, EpochEnded):
        own = FoldRunKey(event.trial, event.fold)
        last = own_decision(own, decisions)
        if leaves_slot(last):
            yield _leg_end(event, own, last, metric)
    for item in without_noticed(event, decisions):
        is_own = own is not None and (item.trial, item.fold) == (own.trial, own.fold)
        if item.action is not Action.CONTINUE and not (is_own and item.action in (Action.PARK, Action.STOP)):
            yield f"{item.action.lower()} {subject_of(item)}: {clean(item.reason)}"


def _leg_end(event: EpochEnded, key: FoldRunKey, last: Decision, metric: str) -> str:
    took = f" ({per_epoch(event.seconds)}/epoch)" if event.seconds else ""
    return (
        f"{last.action.lower()} {key} epoch {event.epoch} {clean(metric)} {score(event.score)}{took}: "
        f"{clean(last.reason)}"
    )


def progress_line(frame: Frame, metric: str, now: float) -> str:
    text = f"progress {progress_text(frame.progress, now)}"
    spent = budget_text(frame.progress, now)
    text += f", {spent}" if spent else ""
    best = next((item for item in frame.statuses if item.score is not None), None)
    if best is not None and best.rung is not None:
        text += f", best t{best.trial:04d} {clean(metric)} {score(best.score)} at rung {best.rung + 1}"
    if frame.failures:
        text += f", {sum(frame.failures.values())} failures ({frame.retries} retried)"
    return text


def leaderboard_lines(
    statuses: Sequence[TrialStatus],
    configs: Mapping[int, Mapping[str, Any]],
    metric: str,
    names: Collection[str] | None = None,
) -> Iterator[str]:
    """Trials that have a score, in the order given. names: of the parameters that vary, where known."""
    names = varied(configs) if names is None else names
    for item in statuses:
        if item.score is not None and item.rung is not None:
            yield (
                f"leaderboard t{item.trial:04d} {item.state.value} rung {item.rung + 1} "
                f"{clean(metric)} {score(item.score)}, {counted(item.folds_complete, 'fold')} complete, "
                f"{parameters(configs.get(item.trial, {}), names)}"
            )
