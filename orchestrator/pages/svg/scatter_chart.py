"""Points: slices of parameters, one score against another."""

from __future__ import annotations

from markupsafe import Markup

from orchestrator.core.text import counted
from orchestrator.pages.blocks import Cell, Quantity, Table
from orchestrator.pages.figures import Axis, Number, Point, ScatterChart
from orchestrator.pages.svg.element import element, join, percent, trial_attribute
from orchestrator.pages.svg.panel import panel, path, stretched
from orchestrator.pages.svg.scale import Scale, number_text, scale_on
from orchestrator.pages.svg.series import series_class, series_of, shape, shape_legend


def scatter_chart(chart: ScatterChart) -> Markup:
    series = series_of(point.group for point in chart.points)
    x = scale_on(chart.x, (point.x for point in chart.points))
    y = scale_on(chart.y, (point.y for point in chart.points))
    diagonal = _diagonal(x, y) if chart.diagonal else Markup("")
    made = panel(
        x,
        y,
        diagonal + join(_point(point, chart, x, y, series[point.group]) for point in chart.points),
        title=chart.title,
        description=f"{counted(len(chart.points), 'point')}: {chart.y.label} against {chart.x.label}.",
        x_label=chart.x.label,
        y_label=chart.y.label,
    )
    return shape_legend(series) + element("div", made, class_="panels")


def _diagonal(x: Scale, y: Scale) -> Markup:
    """Of the part that both scales have in common."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    if x.log or y.log or low >= high:
        return Markup("")
    places = [(x.at(end), y.at(end)) for end in (low, high)]
    return stretched(element("g", element("path", class_="line", d=path(places)), class_="muted"))


def _point(point: Point, chart: ScatterChart, x: Scale, y: Scale, index: int) -> Markup:
    """Empty where it has no place."""
    across, up = x.at(point.x), y.at(point.y)
    if across is None or up is None:
        return Markup("")
    said = f"{chart.x.label} {_written(chart.x, point.x)}, {chart.y.label} {_written(chart.y, point.y)}"
    return element(
        "svg",
        element("title", ": ".join(filter(None, (point.label, point.group, said, point.note)))),
        shape(index),
        x=percent(across),
        y=percent(1 - up),
        overflow="visible",
        class_=f"dot {series_class(index)}",
        data_trial=trial_attribute(point.trial),
    )


def _written(axis: Axis, value: Number) -> str:
    if value is None:
        return ""
    if axis.categories and value == int(value) and 0 <= value < len(axis.categories):
        return axis.categories[int(value)]
    return number_text(value)


def cell_of(axis: Axis, value: Number) -> Cell:
    """For a table of the data."""
    written = _written(axis, value)
    return written if value is None or axis.categories else Quantity(value, written)


def scatter_data(chart: ScatterChart) -> Table:
    has_groups = any(point.group for point in chart.points)
    rows = tuple(
        (
            point.label,
            *((point.group,) if has_groups else ()),
            cell_of(chart.x, point.x),
            cell_of(chart.y, point.y),
            point.note,
        )
        for point in chart.points
    )
    columns = ("point", *(("group",) if has_groups else ()), chart.x.label, chart.y.label, "note")
    if not any(point.note for point in chart.points):
        rows, columns = tuple(row[:-1] for row in rows), columns[:-1]
    return Table(chart.title, columns, rows, trials=tuple(point.trial for point in chart.points))
