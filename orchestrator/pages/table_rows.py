"""Rows of a table as HTML. Not a template: a report has ten thousands of cells."""

from __future__ import annotations

import math

from markupsafe import Markup

from orchestrator.pages.blocks import Cell, Quantity, Table, cell_text
from orchestrator.pages.svg.element import text

_LONG = 26  # characters of a cell that may be broken into lines


def is_number_column(table: Table, index: int) -> bool:
    """Every cell of it is a number or empty, and one at least is a number: it stands to the right."""
    cells = [row[index] for row in table.rows]
    return any(not isinstance(cell, str) for cell in cells) and all(
        not isinstance(cell, str) or not cell for cell in cells
    )


def table_rows(table: Table) -> Markup:
    """All of them."""
    numbers = [is_number_column(table, index) for index in range(len(table.columns))]
    trials = table.trials or (None,) * len(table.rows)
    rows = (
        f"<tr{_trial(trial)}>{''.join(map(_cell, row, numbers))}</tr>"
        for row, trial in zip(table.rows, trials, strict=True)
    )
    return Markup("\n".join(rows))  # of escaped parts


def _trial(trial: int | str | None) -> str:
    return "" if trial is None else f' data-trial="{text(str(trial))}"'


def _cell(cell: Cell, is_number: bool) -> str:
    if isinstance(cell, str):
        kind = "number" if is_number else "long" if len(cell) > _LONG else ""
        return f'<td class="{kind}">{text(cell)}</td>' if kind else f"<td>{text(cell)}</td>"
    return f'<td class="number"{_sorted_as(cell)}>{text(cell_text(cell))}</td>'


def _sorted_as(cell: int | float) -> str:
    """The number itself, where the text is another."""
    if isinstance(cell, Quantity) and math.isfinite(cell):
        return f' data-v="{float(cell):.12g}"'
    return ""
