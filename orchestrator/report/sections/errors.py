"""What is taken for what, where it goes wrong, how far probabilities can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from orchestrator.core.text import counted
from orchestrator.evaluation.class_scores import LEVEL, ClassScore, class_scores
from orchestrator.evaluation.class_scores import Interval as Bounds
from orchestrator.evaluation.confusion import Confusion, confusion, label_confusion
from orchestrator.evaluation.group_scores import are_right, group_scores, unevenness
from orchestrator.evaluation.reliability import Reliability, reliability
from orchestrator.pages.blocks import Block, Cell, Table, Text
from orchestrator.pages.figures import Heatmap, Interval, IntervalChart, Line, LineChart
from orchestrator.report.answers import JudgedAnswers, answers_of_trial
from orchestrator.report.cells import ends_text, share_cell
from orchestrator.report.context import ReportContext
from orchestrator.report.leaks import Leak, leak_of
from orchestrator.report.mistakes import mistakes
from orchestrator.report.recommended import recommended
from orchestrator.snapshot import StudySnapshot

TITLE = "Errors"
QUESTION = "Which classes and groups are answered wrongly, and can the probabilities be believed?"

MOST_CLASSES = 40
"""Of a matrix; with more only the commonest errors are listed."""
NAMED_CLASSES = 8
"""So many classes have their names above the columns of a matrix."""
MOST_PAIRS, MOST_GROUPS = 12, 15
FEW_GROUPS = 30
"""So many groups are drawn as well; of more the worst are listed."""
REPEATS = 1000
CELLS = 4e7
"""Groups x classes x resamples at most: fewer resamples of many groups and classes."""


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot, answers = context.main, context.answers
    if answers is None:
        return (Text((_why_none(snapshot),)),)
    leak = leak_of(context)
    return (
        Text((_lead(answers, leak), answers.caveat, *(() if leak is None else (leak.sentence(),)))),
        *_confusion(answers),
        *_classes(answers, context.seed),
        *_groups(answers),
        *_calibration(snapshot, answers, context.seed),
        *mistakes(answers, context.images),
    )


def _why_none(snapshot: StudySnapshot) -> str:
    found = recommended(snapshot)
    if found is None:
        return "No trial is complete yet, so not every row has an answer."
    return f"The out-of-fold probabilities of {found.name} cannot be read, so its errors are not known."


def _lead(answers: JudgedAnswers, leak: Leak | None) -> str:
    groups = len(np.unique(answers.groups))
    of = f" of {counted(groups, 'group')}" if answers.has_groups else ""
    wrong = int((~are_right(answers.labels, answers.decided)).sum())
    own = "nor on its group" if answers.has_groups else "(rows have no groups here)"
    return (
        f"By {answers.name}: {counted(wrong, 'wrong answer')} to {len(answers.rows)} rows{of}. Each row is "
        f"answered by a model that trained neither on it {own}"
        f"{'' if leak is None else ', but on copies of some'}."
    )


# ---- what is taken for what ----


def _confusion(answers: JudgedAnswers) -> Iterator[Block]:
    if answers.task.multi_label:
        yield _label_table(answers)
        return
    found, classes = confusion(answers.labels, answers.decided), answers.task.classes
    if len(classes) <= MOST_CLASSES:
        yield _matrix(found, classes)
    if answers.task.ordered and len(classes) > 2:
        yield Text((_distances(found),))
    rows = found.most_confused(MOST_PAIRS)
    if rows:
        yield _pairs(found, rows, classes)


def _matrix(found: Confusion, classes: tuple[str, ...]) -> Heatmap:
    """Of many classes the columns have numbers, which stand before the names of the rows: names are long."""
    many = len(classes) > NAMED_CLASSES
    numbers = tuple(str(number) for number in range(1, len(classes) + 1))
    rows = tuple(f"{number} {name}" for number, name in zip(numbers, classes, strict=True))
    what = (
        "the number of rows" if many else "the number of rows, and their share of the rows of that true class"
    )
    shares = found.shares.tolist()
    return Heatmap(
        "Confusion matrix",
        rows if many else classes,
        numbers if many else classes,
        shares,
        f"In each cell {what}. The colour shows the share of the rows of that true class; the diagonal is "
        "right.",
        row_title="true class",
        column_title="predicted class",
        texts=[
            [_cell_text(*cell, many) for cell in zip(*row, strict=True)]
            for row in zip(found.counts.tolist(), shares, strict=True)
        ],
        scale=(0.0, 1.0),
    )


def _cell_text(rows: int, share: float, many: bool) -> str:
    if many:
        return str(rows) if rows else ""
    return f"{rows} ({share:.0%})" if math.isfinite(share) else str(rows)


def _distances(found: Confusion) -> str:
    rows, away = int(found.counts.sum()), found.distances
    far = int(away[2:].sum())
    return (
        f"The classes have an order: {away[0] / rows:.1%} of rows are right, {away[1] / rows:.1%} one class "
        f"away, {far / rows:.1%} further."
    )


def _pairs(found: Confusion, pairs: list[tuple[int, int, int]], classes: tuple[str, ...]) -> Table:
    rows = tuple(
        (classes[label], classes[predicted], count, share_cell(found.shares[label, predicted]))
        for label, predicted, count in pairs
    )
    columns = ("true class", "predicted class", "rows", "of the true class")
    return Table("Commonest errors", columns, rows)


def _label_table(answers: JudgedAnswers) -> Table:
    found = label_confusion(answers.labels, answers.decided)
    cells = zip(found.hits, found.missed, found.false_alarms, found.rejected, strict=True)
    rows = tuple(_label_row(name, row) for name, row in zip(answers.task.classes, cells, strict=True))
    columns = ("label", "found", "missed", "false alarms", "rightly absent")
    note = "A row may have several labels, each of which counts alone."
    return Table("Rows by label", columns, rows, note)


def _label_row(name: str, cells: Iterable[np.int64]) -> tuple[Cell, ...]:
    return (name, *(int(cell) for cell in cells))


# ---- classes ----


def _classes(answers: JudgedAnswers, seed: int) -> list[Block]:
    classes, groups = answers.task.classes, len(np.unique(answers.groups))
    repeats = int(np.clip(CELLS / (groups * len(classes)), 100, REPEATS))
    found = class_scores(
        answers.labels, answers.decided, answers.groups, np.random.default_rng([seed, 17]), repeats
    )
    what = "label" if answers.task.multi_label else "class"
    of = "groups" if answers.has_groups else "rows"
    columns = (what, "rows", *(("groups",) if answers.has_groups else ()), "F1", "F1 95%", "precision",
               "precision 95%", "recall", "recall 95%")  # fmt: skip
    rows = tuple(
        _class_row(name, item, answers.has_groups) for name, item in zip(classes, found, strict=True)
    )
    note = (
        f"Intervals: {LEVEL:.0%}, over {repeats} resamples of the {of}. Precision: of the rows predicted "
        "so, the share that is; recall: of the rows that are, the share predicted so; F1: their harmonic "
        "mean. No interval where all resamples agree."
    )
    chart = IntervalChart(
        f"F1 by {what}",
        "F1",
        [
            Interval(name, item.f1.value, item.f1.low, item.f1.high, counted(item.rows, "row"))
            for name, item in zip(classes, found, strict=True)
        ],
        f"Where intervals are wide there are few {of}.",
    )
    title = f"Scores by {what}"
    return [*([chart] if len(classes) <= MOST_CLASSES else []), Table(title, columns, rows, note)]


def _class_row(name: str, item: ClassScore, has_groups: bool) -> tuple[Cell, ...]:
    scores = (item.f1, item.precision, item.recall)
    groups = (item.groups,) if has_groups else ()
    return (name, item.rows, *groups, *(cell for score in scores for cell in _bounds(score)))


def _bounds(found: Bounds) -> tuple[Cell, Cell]:
    if not math.isfinite(found.value):
        return "", "undefined"
    return found.value, ends_text(found.low, found.high)


# ---- groups ----


def _groups(answers: JudgedAnswers) -> Iterator[Block]:
    if not answers.has_groups:
        return
    found = group_scores(answers.labels, answers.decided, answers.groups)
    right = are_right(answers.labels, answers.decided)
    yield Text((_together(unevenness(right, answers.groups).correlation),))
    if len(found) <= FEW_GROUPS:
        yield IntervalChart(
            "Right answers by group",
            "share of rows that are right",
            [
                Interval(item.group, item.right.value, item.right.low, item.right.high,
                         counted(item.rows, "row"))
                for item in found
            ],
            "Wilson's interval of each group's rows.",
            reference=float(right.mean()),
            reference_label="all rows",
        )  # fmt: skip
    worst = [item for item in found if item.right.value < 1][:MOST_GROUPS]
    if not worst:
        return
    folds = _folds_of_groups(answers)
    rows = tuple(
        (
            item.group,
            folds[item.group],
            item.rows,
            item.right.value,
            f"{item.right.low:.3f} to {item.right.high:.3f}",
            item.log_loss,
        )
        for item in worst
    )
    columns = ("group", "fold", "rows", "share right", "95%", "log loss")
    note = (
        f"The {len(rows)} worst of {counted(len(found), 'group')}: ordered by the upper end of the interval "
        "(Wilson), so that a group of one wrong row does not come before one of twenty. The worst of many "
        "look worse than they are."
    )
    yield Table("Groups that fare worst", columns, rows, note)


def _folds_of_groups(answers: JudgedAnswers) -> dict[str, Cell]:
    """One each, but in a study whose groups are torn."""
    found: dict[str, set[int]] = {}
    for group, fold in zip(answers.groups.tolist(), answers.folds.tolist(), strict=True):
        found.setdefault(group, set()).add(fold)
    return {
        group: next(iter(own)) if len(own) == 1 else ", ".join(map(str, sorted(own)))
        for group, own in found.items()
    }


def _together(correlation: float) -> str:
    if not math.isfinite(correlation):
        return "Whether groups differ beyond chance cannot be told."
    if correlation < 0.05:
        return "Groups differ hardly more than the chance of their rows."
    return (
        f"Rows of one group are right or wrong together: their correlation is {correlation:.2f} (0: by "
        "chance, 1: always)."
    )


# ---- calibration ----


def _calibration(snapshot: StudySnapshot, answers: JudgedAnswers, seed: int) -> Iterator[Block]:
    shown = [answers]
    best = snapshot.best
    if (
        best is not None
        and answers.name != f"trial {best.number}"
        and answers.task == snapshot.space.target.task
    ):
        trial = answers_of_trial(snapshot, best.number)
        shown += [] if trial is None else [trial]
    found = [
        (item.name,
         reliability(item.labels, item.probabilities, item.groups, np.random.default_rng([seed, 18]), 300))
        for item in shown
    ]  # fmt: skip
    unit = "label's probability" if answers.task.multi_label else "probability of the predicted class"
    lines = [Line("as sure as right", [0.0, 1.0], [0.0, 1.0], muted=True)]
    lines += [
        Line(name, [part.sure for part in item.bins], [part.right.value for part in item.bins], group=name,
             mark_x=[part.sure for part in item.bins])
        for name, item in found
    ]  # fmt: skip
    note = "Bins of equally many rows. Below the diagonal, answers are surer than they are right."
    yield LineChart("Calibration", f"mean {unit}", "share that is right", lines, note, y_range=(0.0, 1.0))
    yield Text((), [_ece(name, item) for name, item in found])


def _ece(name: str, found: Reliability) -> str:
    ece = found.ece
    said = f"{name}: expected calibration error {ece.value:.3f}"
    if math.isfinite(ece.high):
        said += f" ({LEVEL:.0%} interval {ece.low:.3f} to {ece.high:.3f})"
    if ece.value <= found.by_chance:
        return f"{said}; as many perfectly calibrated answers show up to {found.by_chance:.3f} by chance."
    sure = sum(part.rows * (part.sure - part.right.value) for part in found.bins)
    how = "too sure" if sure > 0 else "not sure enough"
    return f"{said}, more than the {found.by_chance:.3f} that chance explains: on the whole {how}."
