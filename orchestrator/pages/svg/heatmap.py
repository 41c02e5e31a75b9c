"""A matrix as a table whose cells are coloured: it can be read, copied and heard."""

from __future__ import annotations

from markupsafe import Markup

from orchestrator.pages.figures import Heatmap, Number
from orchestrator.pages.svg.element import element, join, trial_attribute

SHADES = 10
"""Steps of colour from the palest, 0, on."""


def heatmap(chart: Heatmap) -> Markup:
    """Under the row of column names, each row with its name."""
    corner = element("th", " \\ ".join(filter(None, (chart.row_title, chart.column_title))), scope="col")
    names = join(element("th", name, scope="col", class_="number") for name in chart.column_labels)
    rows = join(_row(chart, index) for index in range(len(chart.row_labels)))
    table = element(
        "table",
        element("caption", _caption(chart), class_="hidden"),
        element("thead", element("tr", corner, names)),
        element("tbody", rows),
        class_="heat",
    )
    return element("div", table, class_="scroll fitting", tabindex="0", role="region", aria_label=chart.title)


def _caption(chart: Heatmap) -> str:
    parts = (f"rows: {chart.row_title}", f"columns: {chart.column_title}")
    titles = (chart.row_title, chart.column_title)
    said = ", ".join(part for part, title in zip(parts, titles, strict=True) if title)
    return f"{chart.title}: {said}" if said else chart.title


def _row(chart: Heatmap, index: int) -> Markup:
    values = chart.values[index]
    texts = chart.texts[index] if chart.texts else [_number(value, chart.digits) for value in values]
    cells = (
        element(
            "td",
            written,
            class_=f"number q{_shade(value, *_scale(chart))}" if value is not None else "number",
        )
        for value, written in zip(values, texts, strict=True)
    )
    head = element("th", chart.row_labels[index], scope="row")
    return element("tr", head, join(cells), data_trial=trial_attribute(chart.trials[index]))


def _number(value: Number, digits: int) -> str:
    return "" if value is None else f"{value:z.{digits}f}"


def _scale(chart: Heatmap) -> tuple[float, float]:
    if chart.scale is not None:
        return chart.scale
    known = [value for row in chart.values for value in row if value is not None]
    return (min(known), max(known)) if known else (0.0, 1.0)


def _shade(value: float, low: float, high: float) -> int:
    if high <= low:
        return 0
    return round(SHADES * min(1.0, max(0.0, (value - low) / (high - low))))
