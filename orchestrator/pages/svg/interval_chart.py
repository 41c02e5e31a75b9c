"""Dots with intervals, and bars: a row of text and drawing for each, which stacks where the screen is narrow.
Every number is written beside its drawing, so that these figures are their own table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.pages.figures import BarChart, Interval, IntervalChart, Number, Trial
from orchestrator.pages.svg.element import element, join, percent, trial_attribute
from orchestrator.pages.svg.scale import Scale, number_text, scale_of
from orchestrator.pages.svg.series import series_class, series_of, shape, shape_legend


def interval_chart(chart: IntervalChart) -> Markup:
    series = series_of(item.group for item in chart.intervals)
    ends = [end for item in chart.intervals for end in (item.value, item.low, item.high)]
    scale = scale_of([*ends, chart.reference])
    rows = join(_interval(item, scale, chart, series[item.group]) for item in chart.intervals)
    return shape_legend(series) + element(
        "div", rows, _axis(scale, chart.x_label, chart.reference_label), class_="rows"
    )


def _interval(item: Interval, scale: Scale, chart: IntervalChart, index: int) -> Markup:
    place, low, high = (scale.at(end) for end in (item.value, item.low, item.high))
    drawing = _ruled(scale, chart.reference)
    if low is not None and high is not None:
        drawing += element("line", class_="whisker", x1=percent(low), x2=percent(high), y1="50%", y2="50%")
    if place is not None:
        drawing += element("svg", shape(index), x=percent(place), y="50%", overflow="visible", class_="dot")
    number = "not known" if item.value is None else f"{item.value:z.{chart.digits}f}"
    if item.low is not None and item.high is not None:
        span = f"{item.low:z.{chart.digits}f} to {item.high:z.{chart.digits}f}"
        number_text_ = element("span", number) + " " + element("span", span, class_="dim")
    else:
        number_text_ = element("span", number)
    return _row(item.label, drawing, number_text_, item.note, item.trial, series_class(index))


def bar_chart(chart: BarChart) -> Markup:
    series = series_of(chart.groups)
    scale = _from_zero(chart.values)
    items = zip(chart.labels, chart.values, chart.texts, chart.groups, chart.trials, strict=True)
    rows = join(
        _row(
            label,
            _bar(value, scale),
            element("span", written or ("not known" if value is None else number_text(value))),
            group,
            trial,
            series_class(series[group]),
        )
        for label, value, written, group, trial in items
    )
    return element("div", rows, _axis(scale, chart.x_label), class_="rows")


def _from_zero(values: Sequence[Number]) -> Scale:
    """So that lengths can be compared: 0 is an end of the scale, or inside of it."""
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    return scale_of(known, limits=(low, high if high > low else low + 1.0))


def _bar(value: Number, scale: Scale) -> Markup:
    drawing = _ruled(scale, None)
    start, end = scale.at(0.0), scale.at(value)
    if start is None or end is None:
        return drawing
    left, width = min(start, end), abs(end - start)
    return drawing + element(
        "rect", class_="bar", x=percent(left), width=percent(width), y="15%", height="70%"
    )


def _ruled(scale: Scale, reference: float | None) -> Markup:
    lines = [element("line", x1=percent(t.at), x2=percent(t.at), y1="0", y2="100%") for t in scale.ticks]
    drawn = element("g", join(lines), class_="grid")
    place = scale.at(reference)
    if place is not None:
        drawn += element("line", class_="rule", x1=percent(place), x2=percent(place), y1="0", y2="100%")
    return drawn


def _row(label: str, drawing: Markup, written: Markup, note: str, trial: Trial, classes: str) -> Markup:
    return element(
        "div",
        element("span", label, class_="label"),
        element("svg", drawing, class_="range", aria_hidden="true"),
        element("span", written, class_="value"),
        element("span", note, class_="dim note") if note else Markup(""),
        class_=f"row {classes}",
        data_trial=trial_attribute(trial),
    )


def _axis(scale: Scale, label: str, reference_label: str = "") -> Markup:
    ticks = (
        element("text", tick.text, x=percent(tick.at), dy="1em", text_anchor=_anchor(tick.at))
        for tick in scale.ticks
    )
    said = f"{label}; the dashed rule is {reference_label}" if reference_label else label
    return element(
        "div",
        element("span", class_="label"),
        element("svg", join(ticks), class_="range ticks", aria_hidden="true"),
        element("span", said, class_="value dim"),
        class_="row axis",
    )


def _anchor(place: float) -> str:
    """So that the outermost texts stay inside."""
    return "start" if place < 0.03 else "end" if place > 0.97 else "middle"
