"""What to use, how good it is, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted
from orchestrator.evaluation.estimate import Estimate
from orchestrator.pages.blocks import Block, Code, Findings, Sentence, Table, Text
from orchestrator.pages.figures import IntervalChart
from orchestrator.progress.text import duration
from orchestrator.report.commands import mending_steps, next_step
from orchestrator.report.context import ReportContext
from orchestrator.report.estimates import estimates_of, interval_of, leading
from orchestrator.report.fold_scores import fold_scores
from orchestrator.report.leaks import Leak, leak_of
from orchestrator.report.recommended import metric_of, recommended
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


BBC = (
    "BBC is bootstrap bias correction: all that was chosen is chosen again on resampled groups and scored on "
    "groups left out."
)
UNSEEN = "each judged by models that did not train on it or its group"
"""How the meaning of an estimate has it, also in the record of an ensemble."""
MEND_FIRST = "Not before what stands above is mended: until then the score says too much."


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot, findings = context.main, context.findings[0]
    estimates = estimates_of(snapshot, context.seed)
    return (
        Text(lead(snapshot, estimates, findings), lead=True),
        *_cautions(findings),
        Text((*_untouched(estimates), _state(snapshot))),
        *_next(snapshot, findings),
        *fold_scores(snapshot),
        *_estimates(snapshot, estimates, leak_of(context)),
        *leaderboard(context),
        *side_by_side(context),
    )


def lead(
    snapshot: StudySnapshot, estimates: Sequence[Estimate], findings: Sequence[Finding] = ()
) -> tuple[Sentence, ...]:
    """What to use and its score, or why there is nothing yet. A score that does not hold is no headline."""
    found = recommended(snapshot)
    if found is None:
        return (f"There is nothing to use yet: no trial of {snapshot.name} is complete.",)
    score = leading(estimates)
    grave = [item for item in findings if item.level is Level.BLOCKS]
    how = f"{metric_of(snapshot)} {score}" if score is not None else "no estimate of its score"
    if grave:
        named = ", ".join(dict.fromkeys(f"{item.code} {item.topic}" for item in grave))
        return (
            f"No score of this study holds until what must be mended is mended: {named}.",
            f"For the record: {found.name} has {how}. That number is not to be believed.",
        )
    if score is None:
        return (f"Use {found.name}; no estimate of its score could be made.",)
    kind = " on new images of the same kind" if found.ensemble is not None else (
        f", which flatters: it was chosen as the best of {counted(len(snapshot.statuses), 'trial')} by this "
        "number"
    )  # fmt: skip
    if found.ensemble is not None and score.key == "naive":
        kind = ", which flatters: its members, weights and epochs were chosen by these same rows"
    odd = sum(item.level is Level.WARNING for item in findings)
    mind = f", with {'this' if odd == 1 else 'these'} {counted(odd, 'finding')} in mind" if odd else ""
    return (f"Use {found.name}: {how}{kind}{mind}.",)


def _cautions(findings: Sequence[Finding]) -> tuple[Block, ...]:
    """What the checks found that makes the score worth less, each with its figures."""
    odd = [item for item in findings if item.level in (Level.BLOCKS, Level.WARNING)]
    if not odd:
        return ()
    grave = any(item.level is Level.BLOCKS for item in odd)
    return (Findings(odd, "To mend before a score is believed" if grave else "In mind", brief=True),)


def _next(snapshot: StudySnapshot, findings: Sequence[Finding]) -> tuple[Block, ...]:
    """What mends a finding comes before what uses the study as it is."""
    step = next_step(snapshot)
    grave = [item for item in findings if item.level is Level.BLOCKS]
    if not grave:
        return (Code(step.command, "Next", step.why),)
    first = [Code(item.command, "" if number else "Next", item.why)
             for number, item in enumerate(mending_steps(snapshot, findings))]  # fmt: skip
    told = () if first else (Text(items=[f"{item.code}: {item.way_out}" for item in grave], title="Next"),)
    return (*told, *first, Code(step.command, "After that", f"{step.why} {MEND_FIRST}"))


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


def _estimates(
    snapshot: StudySnapshot, estimates: Sequence[Estimate], leak: Leak | None
) -> tuple[Block, ...]:
    if not estimates:
        return ()
    bbc = f" {BBC}" if any("BBC" in item.title for item in estimates) else ""
    chart = IntervalChart(
        "Estimates side by side",
        snapshot.space.metric,
        [interval_of(item) for item in estimates if item.is_defined],
        "Each answers another question; the table says what it corrects and what it does not. "
        f"{'Larger' if snapshot.larger_is_better else 'Smaller'} is better.{bbc}",
    )
    rows = [(item.title or item.method, str(item), _meaning(item, leak)) for item in estimates]
    table = Table("What each estimate says", ("estimate", "score", "meaning"), tuple(rows), in_terminal=False)
    return (*(() if leak is None else (Text((leak.sentence(),)),)), chart, table)


def _meaning(found: Estimate, leak: Leak | None) -> str:
    return (
        found.meaning if leak is None else found.meaning.replace(UNSEEN, f"{UNSEEN}, but on copies of some")
    )
