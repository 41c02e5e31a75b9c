"""Several studies side by side, as a part of the answer."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.text import counted
from orchestrator.evaluation.estimate import Estimate
from orchestrator.pages.blocks import Block, Cell, Table, Text
from orchestrator.pages.figures import Interval, IntervalChart
from orchestrator.report.context import ReportContext
from orchestrator.report.estimates import estimates_of, leading
from orchestrator.report.recommended import metric_of, recommended
from orchestrator.snapshot import StudySnapshot
from orchestrator.studies.comparing import PairOfStudies, StudyComparison, compare_settings_and_scores

CORRECTED = ("bbc_race", "bbc", "cross_fitted")
FLATTERS = ", which flatters: it was chosen by this number"
Scored = tuple[StudySnapshot, Estimate | None]
"""A study and the score to tell of it."""
CHOSEN = "Both trials were chosen on these rows, which no interval counts in."


def side_by_side(context: ReportContext) -> tuple[Block, ...]:
    """() for a single study."""
    if not context.others:
        return ()
    studies = [snapshot.study for snapshot in context.snapshots]
    found = compare_settings_and_scores(studies, context.seed)
    scores = [(item, leading(estimates_of(item, context.seed))) for item in context.snapshots]
    return (_overview(scores), *_scores(scores), _settings(found), *_pairs(found, context))


def _overview(scores: Sequence[Scored]) -> Table:
    columns = ("study", "use", "score", "state", "trials", "complete", "fold-epochs")
    rows = tuple(_row(*scored) for scored in scores)
    note = "Scores compare where the studies are judged by the same metric on the same rows; see below."
    return Table("Studies side by side", columns, rows, note)


def _row(snapshot: StudySnapshot, score: Estimate | None) -> tuple[Cell, ...]:
    use = recommended(snapshot)
    said = "none" if score is None else f"{metric_of(snapshot)} {score}{'' if _corrects(score) else FLATTERS}"
    numbers = len(snapshot.statuses), len(snapshot.complete), snapshot.spent
    return (snapshot.name, "nothing yet" if use is None else use.name, said, snapshot.state, *numbers)


def _corrects(score: Estimate) -> bool:
    """Whether it takes off what choosing by the same rows adds."""
    return score.key in CORRECTED


def _scores(scores: Sequence[Scored]) -> tuple[Block, ...]:
    """A dot and an interval for each study with a corrected estimate; () where their metrics differ, as one
    scale holds one metric."""
    found = [(snapshot, score) for snapshot, score in scores if score is not None and _corrects(score)]
    metrics = {metric_of(snapshot) for snapshot, _ in found}
    intervals = [
        Interval(snapshot.name, score.score, score.low, score.high, score.title or score.method)
        for snapshot, score in found
    ]
    if len(metrics) > 1 or not intervals:
        return ()
    note = (
        "Overlapping intervals do not say that studies are equal: the paired differences below are sharper. "
        "Studies whose only estimate flatters are left out."
    )
    return (IntervalChart("Corrected scores", metrics.pop(), intervals, note),)


def _settings(found: StudyComparison) -> Block:
    if not found.differences:
        return Text((found.verdict,), title="What differs")
    rows = tuple((item.name, *item.values, item.follows) for item in found.differences)
    note = f"{found.verdict} What follows from another difference is no change of its own."
    return Table("What differs", ("setting", *found.names, "follows from"), rows, note, in_terminal=False)


def _pairs(found: StudyComparison, context: ReportContext) -> tuple[Block, ...]:
    """Best trial against best trial of the first study, where the rows are the same; else why not."""
    intervals = [interval for pair in found.pairs for interval in _intervals(pair)]
    said = tuple(_words(pair) for pair in found.pairs)
    better = "above" if context.main.larger_is_better else "below"
    chart = IntervalChart(
        f"Paired differences to {found.names[0]}",
        f"difference in {context.main.space.metric}",
        intervals,
        f"Of each study's best trial. It is better where the whole interval lies {better} zero. The groups' "
        "interval is about these very models on new images; the folds' about models trained anew.",
        reference=0.0,
        reference_label="no difference",
    )
    return (Text((), said, title="Which is better"), *((chart,) if intervals else ()))


def _intervals(pair: PairOfStudies) -> list[Interval]:
    intervals = []
    if pair.rows is not None:
        rows = pair.rows.difference
        of = counted(rows.n_groups, "group")
        intervals.append(Interval(f"{pair.names[1]}, {of}", rows.difference, rows.low, rows.high))
    if pair.folds is not None:
        folds = pair.folds
        of = counted(len(folds.differences), "fold")
        intervals.append(Interval(f"{pair.names[1]}, {of}", folds.mean, folds.low, folds.high))
    return intervals


def _words(pair: PairOfStudies) -> str:
    if pair.rows is not None:
        return f"{pair.rows} {CHOSEN}"
    return f"{pair.names[1]} and {pair.names[0]} have no paired difference: {pair.refused}"
