"""The worst mistakes with their pictures."""

from __future__ import annotations

from orchestrator.core.text import counted
from orchestrator.evaluation.class_scores import codes_of
from orchestrator.evaluation.mistakes import Mistake, worst_mistakes
from orchestrator.pages.blocks import Block, Pictures, Table, Text
from orchestrator.pages.thumbnails import ReadThumbnails
from orchestrator.report.answers import JudgedAnswers

MOST = 24
"""Pictures: a page has room for some 60 in all."""
TITLE = "Worst mistakes"


def mistakes(answers: JudgedAnswers, images: ReadThumbnails | None) -> list[Block]:
    """Wrong answers that were given with the most certainty, one of each group; a table where there are no
    pictures."""
    found = worst_mistakes(answers.labels, answers.decided, codes_of(answers.groups)[0], MOST)
    if not found:
        return [Text(("No answer is wrong.",), title=TITLE)]
    rows = tuple(int(answers.rows[item.at]) for item in found)
    heads = tuple(_head(item, answers) for item in found)
    of = ", one of each group" if answers.has_groups else ""
    note = f"Wrong answers of the highest loss{of}: wrong labels and images that show nothing are often here."
    gone = _unreadable(rows, images)
    if gone is not None:
        return [Text((gone,)), _table(found, rows, answers, note)]
    return [Pictures(TITLE, tuple((row,) for row in rows), note, heads)]


def _unreadable(rows: tuple[int, ...], images: ReadThumbnails | None) -> str | None:
    """Why there are no pictures; None where there is one at least."""
    if images is None or min(rows) < 0:
        return "The images of these rows cannot be found from here, so mistakes are listed without pictures."
    read = images(rows, 8)
    if any(pixels is not None for pixels in read):
        return None
    return f"None of {counted(len(rows), 'image')} can be read, so mistakes are listed without pictures."


def _head(item: Mistake, answers: JudgedAnswers) -> str:
    names, fold = answers.task.classes, f"fold {answers.folds[item.at]}"
    if answers.task.multi_label:
        return f"{names[item.label]}: {_answer(item, answers)} (truth had {_chance(item.given)}), {fold}"
    return (
        f"{names[item.label]}, taken for {_answer(item, answers)} (true class had {_chance(item.given)}), "
        f"{fold}"
    )


def _chance(value: float) -> str:
    return "< 0.01" if value < 0.01 else f"{value:.2f}"


def _answer(item: Mistake, answers: JudgedAnswers) -> str:
    if answers.task.multi_label:
        return "missed" if item.holds else "false alarm"
    return answers.task.classes[item.predicted]


def _table(found: tuple[Mistake, ...], rows: tuple[int, ...], answers: JudgedAnswers, note: str) -> Table:
    names = answers.task.classes
    cells = tuple(
        (row, str(answers.groups[item.at]), int(answers.folds[item.at]), names[item.label],
         _answer(item, answers),
         item.given, item.loss)
        for row, item in zip(rows, found, strict=True)
    )  # fmt: skip
    columns = ("row", "group", "fold", "true", "answer", "probability of the truth", "log loss")
    return Table(TITLE, columns, cells, note)
