"""Figures of a page as pure records, which `orchestrator.pages.svg` draws. Texts in them may come from data.

A number that is not finite is kept as None, which is a gap; where a place is needed (x of a line) it is
refused.
A thing of a trial carries `trial`, so that the page can highlight that trial in every figure and table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Number = float | None
"""None: not known, or not finite. It is left out of a drawing and an empty cell in its data."""
Trial = int | str | None
"""Number of the trial; where a page shows several studies a text that tells them apart, such as "age_b/7"."""


_LARGEST = 1e300  # of what is drawn: the differences of two such numbers are finite too


def number(value: float | None) -> Number:
    """As a Python float, None where it is not finite."""
    if value is None:
        return None
    made = float(value)
    return made if math.isfinite(made) and abs(made) < _LARGEST else None


def _numbers(values: Sequence[float | None]) -> tuple[Number, ...]:
    return tuple(number(value) for value in values)


def _same_length(what: str, *lists: Sequence[object]) -> None:
    lengths = [len(items) for items in lists]
    if len(set(lengths)) > 1:
        raise ValueError(f"{what} has lists of {' and '.join(map(str, lengths))} entries; give equally many")


def _set(record: object, **values: object) -> None:
    """A field of a frozen record as its checked value."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True)
class Axis:
    """What a scatter's or parallel chart's numbers mean. With categories a number is an index into them."""

    label: str
    log: bool = False  # values of 0 and below are gaps
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.log and self.categories:
            raise ValueError(f"axis {self.label} has categories and a log scale; choose one")


# ---- lines: curves, the race, calibration ----


@dataclass(frozen=True)
class Line:
    name: str
    x: Sequence[float]
    y: Sequence[Number]  # as many as x; None is a gap
    group: str = ""  # lines of one group share a colour, a dash and an entry in the legend
    mark_x: Sequence[float] = ()  # x of the points that get a dot: rungs
    trial: Trial = None
    facet: str = ""  # the panel it is drawn in, one of the chart's facets
    note: str = ""  # what else is known of it, such as why it stopped; shown when it is pointed at
    muted: bool = False  # a reference, such as the diagonal of a calibration: grey and dashed

    def __post_init__(self) -> None:
        _same_length(f"line {self.name}", self.x, self.y)
        places, marks = _numbers(self.x), _numbers(self.mark_x)
        if None in places or None in marks:
            raise ValueError(f"line {self.name} has an x that is not finite; leave such points out")
        _set(self, x=places, y=_numbers(self.y), mark_x=marks)


@dataclass(frozen=True)
class LineChart:
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    note: str = ""  # a sentence below it: what to see, and how it was made
    facets: Sequence[str] = ()  # one small panel each, with a common scale; () is one panel
    x_marks: Sequence[tuple[float, str]] = ()  # vertical rules with their names, such as rungs
    y_range: tuple[float, float] | None = None  # such as (0, 1); None: what the lines need
    log_x: bool = False
    log_y: bool = False

    def __post_init__(self) -> None:
        _set(self, lines=tuple(self.lines), facets=tuple(self.facets), x_marks=tuple(self.x_marks))
        unknown = {line.facet for line in self.lines} - set(self.facets or ("",))
        if unknown:
            raise ValueError(
                f"chart {self.title} has lines of facets {sorted(unknown)} that it does not list"
            )


# ---- values with intervals: estimates, class scores, paired differences ----


@dataclass(frozen=True)
class Interval:
    label: str
    value: Number
    low: Number = None  # None: the interval is not known
    high: Number = None
    note: str = ""
    group: str = ""
    trial: Trial = None

    def __post_init__(self) -> None:
        low, high = number(self.low), number(self.high)
        if low is not None and high is not None and low > high:
            raise ValueError(f"interval {self.label} runs from {low} to {high}; give the lower end first")
        _set(self, value=number(self.value), low=low, high=high)


@dataclass(frozen=True)
class IntervalChart:
    """A dot and a line for each, one below the other, on one scale."""

    title: str
    x_label: str
    intervals: Sequence[Interval]
    note: str = ""
    reference: float | None = None  # a vertical rule, such as 0 of differences
    reference_label: str = ""
    digits: int = 3  # decimals of the numbers beside them

    def __post_init__(self) -> None:
        _set(self, intervals=tuple(self.intervals), reference=number(self.reference))


@dataclass(frozen=True)
class BarChart:
    """A horizontal bar for each label, from 0. For amounts; scores with intervals are an IntervalChart."""

    title: str
    labels: Sequence[str]
    values: Sequence[Number]
    x_label: str = ""
    note: str = ""
    texts: Sequence[str] = ()  # beside the bars instead of the numbers, such as "12 min"
    groups: Sequence[str] = ()  # of each bar: colour and pattern
    trials: Sequence[Trial] = ()

    def __post_init__(self) -> None:
        values = _numbers(self.values)
        fill = len(self.labels)
        texts = tuple(self.texts) or ("",) * fill
        groups, trials = tuple(self.groups) or ("",) * fill, tuple(self.trials) or (None,) * fill
        _same_length(f"chart {self.title}", self.labels, values, texts, groups, trials)
        _set(self, labels=tuple(self.labels), values=values, texts=texts, groups=groups, trials=trials)


# ---- matrices ----


@dataclass(frozen=True)
class Heatmap:
    """A confusion matrix, or scores of trials by folds: coloured by value, with the number in each cell."""

    title: str
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    values: Sequence[Sequence[Number]]  # (rows, columns): the colour, and the number where there is no text
    note: str = ""
    row_title: str = ""  # what rows are, such as "true class"
    column_title: str = ""
    texts: Sequence[Sequence[str]] = ()  # (rows, columns): in the cells, such as the number of rows
    scale: tuple[float, float] | None = None  # values of the palest and the strongest colour; None: theirs
    digits: int = 3
    trials: Sequence[Trial] = ()  # of each row

    def __post_init__(self) -> None:
        values = tuple(_numbers(row) for row in self.values)
        texts = tuple(tuple(row) for row in self.texts)
        trials = tuple(self.trials) or (None,) * len(self.row_labels)
        _same_length(f"heatmap {self.title}", self.row_labels, values, trials, *((texts,) if texts else ()))
        for row in (*values, *texts):
            _same_length(f"a row of heatmap {self.title}", self.column_labels, row)
        _set(self, row_labels=tuple(self.row_labels), column_labels=tuple(self.column_labels))
        _set(self, values=values, texts=texts, trials=trials)


# ---- points ----


@dataclass(frozen=True)
class Point:
    x: Number
    y: Number
    label: str = ""
    group: str = ""  # colour and shape
    trial: Trial = None
    note: str = ""

    def __post_init__(self) -> None:
        _set(self, x=number(self.x), y=number(self.y))


@dataclass(frozen=True)
class ScatterChart:
    """A slice of a parameter against the score, or one score against another."""

    title: str
    x_label: str | Axis
    y_label: str | Axis
    points: Sequence[Point]
    note: str = ""
    diagonal: bool = False  # the rule y = x
    small: bool = False  # stands beside other small charts that follow it

    def __post_init__(self) -> None:
        _set(self, points=tuple(self.points))

    @property
    def x(self) -> Axis:
        return self.x_label if isinstance(self.x_label, Axis) else Axis(self.x_label)

    @property
    def y(self) -> Axis:
        return self.y_label if isinstance(self.y_label, Axis) else Axis(self.y_label)


# ---- parallel coordinates ----


@dataclass(frozen=True)
class ParallelLine:
    name: str
    values: Sequence[Number]  # one for each axis; None where the trial has no such parameter: a gap
    color: Number = None  # shade, such as the score; None is grey
    trial: Trial = None
    note: str = ""

    def __post_init__(self) -> None:
        _set(self, values=_numbers(self.values), color=number(self.color))


@dataclass(frozen=True)
class ParallelChart:
    """One vertical axis for each parameter, one line for each trial across them."""

    title: str
    axes: Sequence[Axis]
    lines: Sequence[ParallelLine]
    note: str = ""
    color_label: str = ""  # what the shade means

    def __post_init__(self) -> None:
        _set(self, axes=tuple(self.axes), lines=tuple(self.lines))
        for line in self.lines:
            _same_length(f"line {line.name} and the axes of chart {self.title}", line.values, self.axes)


Figure = LineChart | IntervalChart | BarChart | Heatmap | ScatterChart | ParallelChart
