"""Whether a study's scores flatter because copies lie in several folds, as its checks found. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.finding import Level
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Link, Sentence
from orchestrator.report.context import ReportContext

CODE = "FO009"
"""Of the check, whose pairs may lie in one fold too, though in several groups."""


@dataclass(frozen=True)
class Leak:
    """Images that lie in another fold than a copy."""

    images: int
    is_certain: bool

    def sentence(self, what: str = "All of these numbers") -> Sentence:
        """what: flatters by it, in the plural."""
        lie = "lies" if self.images == 1 else "lie"
        images = counted(self.images, "image")
        if self.is_certain:
            why = (
                f"{what} flatter: {images} {lie} in another fold than a copy ({CODE}), so models were judged "
                "on what they had trained on. Nothing here corrects that."
            )
        else:
            why = (
                f"{what} may flatter: {images} {lie} in another fold than what looks like a copy ({CODE}). "
                "If it is one, models were judged on what they trained on, and nothing here corrects that."
            )
        return (f"{why} See ", Link("Checks", anchor="checks"), ".")


def leak_of(context: ReportContext) -> Leak | None:
    """Of the first study; None where no copy is known to lie in another fold."""
    plan = context.main.fold_plan
    found = [item for item in context.findings[0] if item.code == CODE and item.level is not Level.OK]
    if plan is None or not found:
        return None
    apart = {
        pair: item.level is Level.BLOCKS
        for item in found
        for pair in item.pairs
        if max(pair) < len(plan.folds) and plan.folds[pair[0]] != plan.folds[pair[1]]
    }
    return Leak(len(apart), any(apart.values())) if apart else None
