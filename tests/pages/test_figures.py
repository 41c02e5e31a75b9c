"""A figure's record refuses what cannot be drawn, and keeps what is not known as a gap."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from orchestrator.pages.blocks import Columns, Quantity, cell_text
from orchestrator.pages.figures import (
    Axis,
    BarChart,
    Figure,
    Heatmap,
    Interval,
    IntervalChart,
    Line,
    LineChart,
    ParallelChart,
    ParallelLine,
    Point,
    ScatterChart,
    number,
)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), 1e301, None])
def test_what_is_no_finite_number_is_not_known(value: float | None) -> None:
    assert number(value) is None
    assert Line("a", [1, 2], [value, 0.5]).y == (None, 0.5)
    assert Interval("a", value).value is None and Point(value, value).x is None


def test_lists_of_different_lengths_are_refused() -> None:
    for wrong in (
        lambda: Line("a", [1, 2], [1]),
        lambda: BarChart("a", ["x", "y"], [1]),
        lambda: BarChart("a", ["x"], [1], texts=["1", "2"]),
        lambda: Heatmap("a", ["x"], ["x", "y"], [[1]]),
        lambda: Heatmap("a", ["x", "y"], ["x"], [[1]]),
        lambda: ParallelChart("a", [Axis("lr")], [ParallelLine("b", [1, 2])]),
        lambda: Columns(["a"], []),
    ):
        with pytest.raises(ValueError, match="equally many"):
            wrong()


def test_an_x_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="line a has an x that is not finite"):
        Line("a", [1, math.nan], [1, 2])


def test_an_interval_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match="lower end first"):
        Interval("a", 0.5, 0.6, 0.4)


def test_a_line_of_an_unlisted_facet_is_refused() -> None:
    with pytest.raises(ValueError, match="fold 1"):
        LineChart("a", "x", "y", [Line("b", [1], [1], facet="fold 1")], facets=["fold 0"])


def test_an_axis_has_categories_or_a_log_scale() -> None:
    with pytest.raises(ValueError, match="choose one"):
        Axis("lr", log=True, categories=("a",))


def test_a_quantity_is_a_number_with_a_text() -> None:
    rate = Quantity(3e-5, "3e-5")
    assert rate == 3e-5 and cell_text(rate) == "3e-5"
    assert [item.text for item in (copy.deepcopy(rate), pickle.loads(pickle.dumps(rate)))] == ["3e-5", "3e-5"]  # noqa: S301


def test_every_kind_of_figure_may_be_empty() -> None:
    empty: list[Figure] = [
        LineChart("a", "x", "y", []),
        IntervalChart("a", "x", []),
        BarChart("a", [], []),
        Heatmap("a", [], [], []),
        ScatterChart("a", "x", "y", []),
        ParallelChart("a", [], []),
    ]
    assert len(empty) == 6
