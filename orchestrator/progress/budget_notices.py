"""What a budget asks of a race, each as one decision: not one for each trial it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.events import Action, BudgetSpent, Decision, Event, Extended, Shortened
from orchestrator.core.text import counted


@dataclass(frozen=True)
class BudgetNotice:
    """Shown as a decision is."""

    action: str
    subject: str  # what it is on
    reason: str


def budget_notice(event: Event, decisions: Sequence[Decision]) -> BudgetNotice | None:
    """None for an event that no budget asked for. decisions: those on the event."""
    out = sum(item.action is Action.PRUNE and _is_noticed(event, item) for item in decisions)
    if isinstance(event, Extended):
        return BudgetNotice("EXTEND", f"to {counted(event.trials, 'trial')}", "the budget has room for more")
    if isinstance(event, Shortened) and event.finalists is not None:
        return BudgetNotice(
            "SHORTEN", f"to {counted(event.finalists, 'finalist')}", "the time has room for no more"
        )
    if isinstance(event, Shortened):
        return BudgetNotice(
            "SHORTEN", f"to {counted(event.trials, 'trial')}", f"the budget has no room for {out} more"
        )
    if isinstance(event, BudgetSpent):
        left = f"; {counted(out, 'trial')} {'is' if out == 1 else 'are'} out" if out else ""
        whom = "finalist" if event.finalists == 1 else "finalists"
        return BudgetNotice("FINISH", whom, f"{event.reason}{left}")
    return None


def without_noticed(event: Event, decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions that `budget_notice` does not say already."""
    return [item for item in decisions if not _is_noticed(event, item)]


def _is_noticed(event: Event, item: Decision) -> bool:
    if isinstance(event, Shortened):
        return item.action is Action.PRUNE and item.trial >= event.trials
    return isinstance(event, BudgetSpent) and item.action in (Action.PRUNE, Action.STOP)
