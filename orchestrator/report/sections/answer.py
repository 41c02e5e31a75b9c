"""What to use, how good it is, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted
from orchestrator.evaluation.estimate import Estimate
from orchestrator.pages.blocks import Block, Code, Link, Sentence, Table, Text
from orchestrator.pages.figures import IntervalChart
from orchestrator.progress.text import duration
from orchestrator.report.commands import next_step
from orchestrator.report.context import ReportContext
from orchestrator.report.estimates import estimates_of, interval_of, leading
from orchestrator.report.recommended import recommended
from orchestrator.report.sections.leaderboard import leaderboard
from orchestrator.report.sections.side_by_side import side_by_side
from orchestrator.snapshot import StudySnapshot

TITLE = "Answer"
QUESTION = "What should be used, how good is it on new images, and what comes next?"

STATES = {
    "finished": "the search ended",
    "interrupted": "the search was interrupted and can go on",
    "stopped": "the search was stopped by an error and can go on",
    "open": "the search still runs, or was killed",
}


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot = context.main
    estimates = estimates_of(snapshot, context.seed)
    step = next_step(snapshot)
    return (
        Text((lead(snapshot, estimates),), lead=True),
        Text((*_cautions(context.findings[0]), *_untouched(estimates), _state(snapshot))),
        Code(step.command, "Next", step.why),
        *_estimates(snapshot, estimates),
        *leaderboard(context),
        *side_by_side(context),
    )


def lead(snapshot: StudySnapshot, estimates: Sequence[Estimate]) -> Sentence:
    """One sentence: what to use and its score, or why there is nothing yet."""
    found = recommended(snapshot)
    if found is None:
        return f"There is nothing to use yet: no trial of {snapshot.name} is complete."
    score = leading(estimates)
    if score is None:
        return f"Use {found.name}; no estimate of its score could be made."
    metric = snapshot.space.metric
    if snapshot.ensemble is not None:
        metric = snapshot.ensemble.record.metric
    how = f"{metric} {score} on new images of the same kind" if found.ensemble is not None else (
        f"{metric} {score}, which flatters: it was chosen as the best of "
        f"{counted(len(snapshot.statuses), 'trial')} by this number"
    )  # fmt: skip
    return f"Use {found.name}: {how}."


def _cautions(findings: Sequence[Finding]) -> tuple[Sentence, ...]:
    """What the checks found that makes the score worth less, by name."""
    odd = [item for item in findings if item.level in (Level.BLOCKS, Level.WARNING)]
    if not odd:
        return ()
    named = "; ".join(f"{item.code} {item.topic}" for item in odd)
    return ((f"Before it is believed, look at {counted(len(odd), 'finding')}: {named}. See ",
             Link("Checks", anchor="checks"), "."),)  # fmt: skip


def _state(snapshot: StudySnapshot) -> str:
    said = STATES.get(snapshot.state, snapshot.state)
    complete = f"{len(snapshot.complete)} of {counted(len(snapshot.statuses), 'trial')} complete"
    return (
        f"State: {said}; {complete}, {counted(snapshot.spent, 'fold-epoch')} spent, "
        f"{duration(snapshot.seconds)} from the first event to the last."
    )


def _untouched(estimates: Sequence[Estimate]) -> tuple[str, ...]:
    found = next((item for item in estimates if item.key == "untouched"), None)
    if found is None or not found.is_defined:
        return ()
    return (f"On the rows that nothing was trained, chosen or fitted with, it scores {found}.",)


def _estimates(snapshot: StudySnapshot, estimates: Sequence[Estimate]) -> tuple[Block, ...]:
    if not estimates:
        return ()
    chart = IntervalChart(
        "Estimates side by side",
        snapshot.space.metric,
        [interval_of(item) for item in estimates if item.is_defined],
        "Each answers another question; the table says what it corrects and what it does not. "
        f"{'Larger' if snapshot.larger_is_better else 'Smaller'} is better.",
    )
    rows = [(item.title or item.method, str(item), item.meaning) for item in estimates]
    table = Table("What each estimate says", ("estimate", "score", "meaning"), tuple(rows), in_terminal=False)
    return (chart, table)
