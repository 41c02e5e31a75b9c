"""Parallel coordinates: what trials have in common that score alike."""

from __future__ import annotations

from markupsafe import Markup

from orchestrator.core.text import counted
from orchestrator.pages.blocks import Cell, Quantity, Table
from orchestrator.pages.figures import Axis, Number, ParallelChart, ParallelLine
from orchestrator.pages.svg.element import clipped, element, join, percent, trial_attribute
from orchestrator.pages.svg.line_chart import crowd
from orchestrator.pages.svg.panel import path, stretched
from orchestrator.pages.svg.scale import Scale, number_text, scale_on
from orchestrator.pages.svg.scatter_chart import cell_of

SHADES = 4
"""Steps of a line's shade, from the palest, 0, on."""

_NAME = 16  # characters of an axis's name
_TICK = 14  # and of the texts on it


def parallel_chart(chart: ParallelChart) -> Markup:
    scales = [
        scale_on(axis, [line.values[index] for line in chart.lines]) for index, axis in enumerate(chart.axes)
    ]
    places = [(index + 0.5) / len(chart.axes) for index in range(len(chart.axes))]
    shades = _shades([line.color for line in chart.lines])
    drawn = [
        (shade, _line(line, scales, places, shade)) for line, shade in zip(chart.lines, shades, strict=True)
    ]
    plot = element(
        "svg",
        element("title", chart.title),
        element("desc", _description(chart)),
        stretched(join(line for _, line in sorted(drawn, key=lambda pair: pair[0]))),
        join(_axis(axis, *at) for axis, at in zip(chart.axes, zip(scales, places, strict=True), strict=True)),
        class_=f"plot {crowd(len(chart.lines))}".strip(),
        role="img",
        focusable="false",
    )
    width = "wide" if len(chart.axes) > 4 else ""
    inside = element("div", _names(chart, places), plot, class_=f"parallel {width}".strip())
    box = element("div", inside, class_="scroll bare", tabindex="0", role="region", aria_label=chart.title)
    return _legend(chart) + box


def _shades(colors: list[Number]) -> list[int]:
    """Of each line; -1 is grey."""
    known = [color for color in colors if color is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    span = high - low or 1.0
    return [-1 if color is None else round(SHADES * (color - low) / span) for color in colors]


def _line(line: ParallelLine, scales: list[Scale], places: list[float], shade: int) -> Markup:
    points = [
        (place, scale.at(value)) for place, scale, value in zip(places, scales, line.values, strict=True)
    ]
    return element(
        "g",
        element("title", ": ".join(filter(None, (line.name, line.note)))),
        element("path", class_="line", d=path(points)),
        class_="muted" if shade < 0 else f"v{shade}",
        data_trial=trial_attribute(line.trial),
    )


def _axis(axis: Axis, scale: Scale, place: float) -> Markup:
    texts = (
        element(
            "text",
            element("title", tick.text),
            clipped(tick.text, _TICK),
            x=percent(place),
            y=percent(1 - tick.at),
            dx=".35em",
            dy=".35em",
        )
        for tick in scale.ticks
    )
    rule = element("line", x1=percent(place), x2=percent(place), y1="0", y2="100%")
    return element("g", rule, join(texts), class_="axis")


def _names(chart: ParallelChart, places: list[float]) -> Markup:
    """In two rows, so that each has the room of two axes."""
    names = (
        element(
            "text",
            element("title", axis.label),
            clipped(axis.label, _NAME),
            x=percent(place),
            dy="1em" if index % 2 == 0 else "2.2em",
            text_anchor="middle",
        )
        for index, (axis, place) in enumerate(zip(chart.axes, places, strict=True))
    )
    return element("svg", join(names), class_="names", height="2.8em", aria_hidden="true")


def _legend(chart: ParallelChart) -> Markup:
    known = [line.color for line in chart.lines if line.color is not None]
    if not known or not chart.color_label:
        return Markup("")
    low, high = number_text(min(known)), number_text(max(known))
    return element(
        "p", f"Shade: {chart.color_label}, from {low} (palest) to {high} (strongest).", class_="note"
    )


def _description(chart: ParallelChart) -> str:
    names = ", ".join(axis.label for axis in chart.axes)
    return f"{counted(len(chart.lines), 'line')} across {counted(len(chart.axes), 'axis', 'axes')}: {names}."


def parallel_data(chart: ParallelChart) -> Table:
    has_color = bool(chart.color_label)
    columns = ("line", *(axis.label for axis in chart.axes), *((chart.color_label,) if has_color else ()))
    rows = tuple(
        (
            line.name,
            *(cell_of(axis, value) for axis, value in zip(chart.axes, line.values, strict=True)),
            *((_color(line.color),) if has_color else ()),
        )
        for line in chart.lines
    )
    return Table(chart.title, columns, rows, trials=tuple(line.trial for line in chart.lines))


def _color(value: Number) -> Cell:
    return "" if value is None else Quantity(value, number_text(value))
