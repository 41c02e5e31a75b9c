"""Which file draws which figure, and which have their data as a table beside the drawing."""

from __future__ import annotations

from markupsafe import Markup

from orchestrator.pages.blocks import Table
from orchestrator.pages.figures import (
    BarChart,
    Figure,
    Heatmap,
    IntervalChart,
    LineChart,
    ParallelChart,
    ScatterChart,
)
from orchestrator.pages.svg.heatmap import heatmap
from orchestrator.pages.svg.interval_chart import bar_chart, interval_chart
from orchestrator.pages.svg.line_chart import line_chart, line_data
from orchestrator.pages.svg.parallel_chart import parallel_chart, parallel_data
from orchestrator.pages.svg.scatter_chart import scatter_chart, scatter_data


def draw(figure: Figure) -> Markup:
    """HTML that needs the page's style and no script."""
    match figure:
        case LineChart():
            return line_chart(figure)
        case IntervalChart():
            return interval_chart(figure)
        case BarChart():
            return bar_chart(figure)
        case Heatmap():
            return heatmap(figure)
        case ScatterChart():
            return scatter_chart(figure)
        case ParallelChart():
            return parallel_chart(figure)


def data_table(figure: Figure) -> Table | None:
    """The numbers behind it; None where they are all written in the figure."""
    match figure:
        case LineChart():
            return line_data(figure)
        case ScatterChart():
            return scatter_data(figure)
        case ParallelChart():
            return parallel_data(figure)
        case _:
            return None


def is_empty(figure: Figure) -> bool:
    """It has nothing to draw."""
    match figure:
        case LineChart() | ParallelChart():
            return not figure.lines
        case IntervalChart():
            return not figure.intervals
        case BarChart():
            return not figure.labels
        case Heatmap():
            return not figure.row_labels or not figure.column_labels
        case ScatterChart():
            return not figure.points
