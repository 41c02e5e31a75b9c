"""What a template asks for: labels or probabilities, in which columns, and how classes are written. Pure."""

from __future__ import annotations

from orchestrator.ensemble.submission.asked import Asked
from orchestrator.ensemble.submission.class_columns import by_class, class_columns
from orchestrator.ensemble.submission.label_column import label_column, one_class, several_labels
from orchestrator.ensemble.submission.layout import Layout
from orchestrator.ensemble.submission.spellings import spellings
from orchestrator.ensemble.submission.template import Template


def decide(template: Template, asked: Asked) -> Layout:
    """How the template is filled in. Raises EnsembleError where it does not fit, or may mean two things."""
    ways = spellings(asked.task, asked.table, asked.columns)
    columns = class_columns(template, ways)
    if columns is not None:
        return by_class(template, asked, columns)
    column = label_column(template, asked, ways)
    ways.sort(key=lambda way: way.column != template.header[column])  # the column of that name comes first
    answer = several_labels if asked.task.multi_label else one_class
    return answer(template, asked, ways, column)
