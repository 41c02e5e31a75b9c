"""What a study may spend, and when that ends its proposing. Pure: events in, events for the race out."""

from orchestrator.budget.controller import BudgetController
from orchestrator.budget.ledger import least_fold_epochs
from orchestrator.budget.limits import NO_BUDGET, Bounds, Budget, duration_text, parse_duration
from orchestrator.budget.pace import EpochSpeed

__all__ = [
    "NO_BUDGET",
    "Bounds",
    "Budget",
    "BudgetController",
    "EpochSpeed",
    "duration_text",
    "least_fold_epochs",
    "parse_duration",
]
