"""Curves, and every trial's way through a race."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.core.text import counted
from orchestrator.pages.blocks import Cell, Table
from orchestrator.pages.figures import Line, LineChart, Number
from orchestrator.pages.svg.element import element, join, trial_attribute
from orchestrator.pages.svg.panel import dots, panel, path, stretched
from orchestrator.pages.svg.scale import Scale, number_text, scale_of
from orchestrator.pages.svg.series import line_legend, series_class, series_of

MANY, VERY_MANY = 20, 200
"""Lines of a panel from which they are drawn faint, so that one sees how many lie on each other."""

_COLUMNS = 40  # of the data: otherwise a row has its points in one cell


def line_chart(chart: LineChart) -> Markup:
    series = series_of(line.group for line in chart.lines if not line.muted)
    x = scale_of(_all_x(chart), chart.log_x, margin=0.02)
    y = scale_of((value for line in chart.lines for value in line.y), chart.log_y, chart.y_range)
    panels = join(_panel(chart, facet, x, y, series) for facet in chart.facets or ("",))
    kind = "panels many" if len(chart.facets) > 1 else "panels"
    return line_legend(series) + element("div", panels, class_=kind)


def _all_x(chart: LineChart) -> list[float]:
    return [value for line in chart.lines for value in line.x] + [value for value, _ in chart.x_marks]


def _panel(chart: LineChart, facet: str, x: Scale, y: Scale, series: dict[str, int]) -> Markup:
    lines = [line for line in chart.lines if line.facet == facet]
    sizes = Counter(line.group for line in lines)
    below = sorted(lines, key=lambda line: (not line.muted, -sizes[line.group]))  # the few stay in sight
    drawn = join(_line(line, x, y, series) for line in below)
    return panel(
        x,
        y,
        stretched(drawn),
        title=chart.title,
        description=_description(chart, lines),
        x_label=chart.x_label,
        y_label=chart.y_label,
        head=facet,
        rules=chart.x_marks,
        classes=crowd(len(lines)),
    )


def crowd(lines: int) -> str:
    """Class of a plot with so many lines."""
    return "" if lines <= MANY else "crowd" if lines <= VERY_MANY else "crowd mob"


def _line(line: Line, x: Scale, y: Scale, series: dict[str, int]) -> Markup:
    places = [(x.at(one), y.at(two)) for one, two in zip(line.x, line.y, strict=True)]
    marked = [place for place, one in zip(places, line.x, strict=True) if one in line.mark_x]
    return element(
        "g",
        element("title", ": ".join(filter(None, (line.name, line.group, line.note)))),
        element("path", class_="line", d=path(places)),
        element("path", class_="dots", d=dots(marked)) if marked else Markup(""),
        class_="muted" if line.muted else series_class(series[line.group]),
        data_trial=trial_attribute(line.trial),
    )


def _description(chart: LineChart, lines: Sequence[Line]) -> str:
    said = f"{counted(len(lines), 'line')}: {chart.y_label} against {chart.x_label}."
    ends = [value for line in lines for value in line.y if value is not None]
    if ends:
        said += f" {chart.y_label} runs from {number_text(min(ends))} to {number_text(max(ends))}."
    return said


def line_data(chart: LineChart) -> Table:
    """A row for each line; a column for each x where those are a few whole numbers, such as epochs."""
    all_x = sorted({value for line in chart.lines for value in line.x})
    is_wide = len(all_x) <= _COLUMNS and all(
        x == int(x) for x in all_x
    )  # lines share epochs, not probabilities
    names = ["line", *(["panel"] if chart.facets else []), "group", "note"]
    columns = [*names, *(map(number_text, all_x) if is_wide else ["points"])]
    rows = [
        (
            line.name,
            *([line.facet] if chart.facets else []),
            line.group,
            line.note,
            *(_by_x(line, all_x) if is_wide else [_points(line)]),
        )
        for line in chart.lines
    ]
    kept = [index for index in range(len(columns)) if index >= len(names) or any(row[index] for row in rows)]
    return Table(
        f"{chart.title}: {chart.y_label} by {chart.x_label}",
        tuple(columns[index] for index in kept),
        tuple(tuple(row[index] for index in kept) for row in rows),
        trials=tuple(line.trial for line in chart.lines),
    )


def _by_x(line: Line, all_x: Sequence[float]) -> list[Cell]:
    known: dict[float, Number] = dict(zip(line.x, line.y, strict=True))
    values = (known.get(value) for value in all_x)
    return ["" if value is None else value for value in values]


def _points(line: Line) -> str:
    pairs = zip(line.x, line.y, strict=True)
    return ", ".join(f"{number_text(x)}: {number_text(y)}" for x, y in pairs if y is not None)
