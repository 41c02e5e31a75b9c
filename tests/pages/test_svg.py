"""What a figure draws: places are where numbers say, gaps are gaps, and the numbers stand beside it."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from orchestrator.pages.blocks import Page, PageSection
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
)
from orchestrator.pages.render import render
from orchestrator.pages.svg import data_table, draw
from orchestrator.pages.svg.panel import UNITS, dots, path
from orchestrator.pages.svg.scale import number_text, scale_of, scale_on

EVIL = "\"'><script>alert(1)</script>"


# ---- scales ----


@pytest.mark.parametrize(
    "values, limits, texts",
    [
        ([0.61, 0.72], None, ["0.62", "0.64", "0.66", "0.68", "0.70", "0.72"]),
        ([0, 1], (0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([1, 18], (1.0, 18.0), ["2", "4", "6", "8", "10", "12", "14", "16", "18"]),
        ([1, 3], None, ["1", "2", "3"]),
        ([-0.02, 0.03], None, ["-0.02", "-0.01", "0.00", "0.01", "0.02", "0.03"]),
    ],
)
def test_ticks_are_round_numbers(
    values: list[float], limits: tuple[float, float] | None, texts: list[str]
) -> None:
    assert [tick.text for tick in scale_of(values, limits=limits).ticks] == texts


@pytest.mark.parametrize("low, high", [(1e-5, 1e-3), (0.01, 0.02), (1e-12, 1e6), (3.0, 3.0)])
def test_a_log_scale_has_a_few_round_ticks(low: float, high: float) -> None:
    ticks = scale_of([low, high], log=True).ticks
    assert 1 <= len(ticks) <= 8
    assert all(re.fullmatch(r"[125](e-?\d+|0*)|0\.0*[125]", tick.text) for tick in ticks)


@pytest.mark.parametrize(
    "values", [[], [5.0], [0.0], [0.3, 0.3 + 1e-15], [-1e299, 1e299], [1e-320, 2e-320], [None], [-7.0, -7.0]]
)
def test_every_number_has_a_place_inside(values: list[float | None]) -> None:
    scale = scale_of(values)
    assert all(0 <= scale.at(value) <= 1 for value in values if value is not None)  # type: ignore[operator]
    assert scale.ticks and all(0 <= tick.at <= 1 + 1e-6 for tick in scale.ticks)
    assert all(before.at < after.at for before, after in pairwise(scale.ticks))


def test_a_log_scale_has_no_place_for_zero() -> None:
    scale = scale_of([0.0, -1.0, 0.1, 1.0], log=True)
    assert scale.at(0.0) is None and scale.at(-1.0) is None and scale.at(1.0) is not None


def test_categories_have_a_place_each() -> None:
    scale = scale_on(Axis("backbone", categories=("a", "b")), [0, 1])
    assert [scale.at(0), scale.at(1)] == [0.25, 0.75] and [tick.text for tick in scale.ticks] == ["a", "b"]


@pytest.mark.parametrize(
    "value, text", [(0.25, "0.25"), (3e-5, "3e-5"), (1200.0, "1200"), (5.2e7, "5.2e7"), (0.0001, "0.0001")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number_text(value) == text


# ---- paths ----


def test_a_path_is_broken_at_gaps_and_a_lone_point_is_a_dot() -> None:
    points = [
        (0.0, 0.0),
        (0.5, 1.0),
        (0.6, None),
        (0.7, 0.5),
        (0.8, None),
        (None, 0.1),
        (0.9, 0.0),
        (1.0, 0.0),
    ]
    assert path(points) == f"M0 {UNITS}L5000 0M7000 5000h0M9000 {UNITS}L{UNITS} {UNITS}"
    assert dots(points[:3]) == f"M0 {UNITS}h0M5000 0h0"


# ---- figures ----


def figures(name: str = "name") -> list[Figure]:
    return [
        LineChart(
            name,
            name,
            name,
            [Line(name, [1, 2], [0.5, None], name, [1], 7, name, name)],
            name,
            [name],
            [(1, name)],
        ),
        IntervalChart(name, name, [Interval(name, 0.5, 0.4, 0.6, name, name, 7)], name, 0.5, name),
        BarChart(name, [name], [3], name, name, [name], [name], [7]),
        Heatmap(name, [name], [name], [[0.5]], name, name, name, [[name]], trials=[7]),
        ScatterChart(
            name, Axis(name, categories=(name,)), name, [Point(0, 0.5, name, name, 7, name)], name, True
        ),
        ParallelChart(
            name,
            [Axis(name), Axis(name, categories=(name,))],
            [ParallelLine(name, [1, 0], 0.5, 7, name)],
            name,
            name,
        ),
    ]


def page_of(*blocks: Figure) -> str:
    page = Page("t", (), (), (PageSection("s", blocks),), lambda row: ("",), script=True)
    return render(page, {}, "1.0")


@pytest.mark.parametrize("index", range(6))
def test_texts_from_data_are_escaped_and_the_trial_can_be_found(index: int) -> None:
    html = str(draw(figures(EVIL)[index]))
    assert "<script" not in html and "&lt;script&gt;" in html and 'data-trial="7"' in html
    assert "\u202e" not in str(draw(figures("evil\u202e")[index]))


@pytest.mark.parametrize("index", range(6))
def test_a_figure_without_anything_says_so(index: int) -> None:
    empty = [
        LineChart("a", "x", "y", []),
        IntervalChart("a", "x", []),
        BarChart("a", [], []),
        Heatmap("a", [], [], []),
        ScatterChart("a", "x", "y", []),
        ParallelChart("a", [], []),
    ][index]
    assert "There is nothing to draw yet." in page_of(empty)


@pytest.mark.parametrize("index", range(6))
def test_numbers_that_are_not_known_leave_a_figure_that_is_drawn(index: int) -> None:
    unknown: list[Figure] = [
        LineChart("a", "x", "y", [Line("b", [1, 2], [math.nan, None]), Line("c", [], [])], log_y=True),
        IntervalChart("a", "x", [Interval("b", math.nan, None, 1.0)]),
        BarChart("a", ["b", "c"], [None, -2.0]),
        Heatmap("a", ["b"], ["c"], [[math.inf]]),
        ScatterChart("a", Axis("x", log=True), "y", [Point(0.0, 1.0), Point(None, 1.0)], diagonal=True),
        ParallelChart("a", [Axis("b")], [ParallelLine("c", [None])]),
    ]
    html = page_of(unknown[index])
    assert (
        "nan" not in re.sub(r"<script>.*</script>|<style>.*</style>", "", html, flags=re.S)
        and "</html>" in html
    )


@pytest.mark.parametrize("index", [0, 4, 5])
def test_a_drawing_has_a_title_a_description_and_its_numbers_as_a_table(index: int) -> None:
    figure = figures()[index]
    html = str(draw(figure))
    assert 'role="img"' in html and "<title>name" in html and "<desc>1 " in html
    table = data_table(figure)
    assert table is not None and len(table.rows) == 1 and table.trials == (7,)
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_numbers_of_curves_are_a_row_for_each_line_and_a_column_for_each_epoch() -> None:
    table = data_table(
        LineChart("a", "epoch", "score", [Line("b", [1, 2], [0.5, 0.6]), Line("c", [2], [0.7])])
    )
    assert table is not None
    assert table.columns == ("line", "1", "2") and table.rows == (("b", 0.5, 0.6), ("c", "", 0.7))


def test_groups_differ_by_dash_and_shape_and_not_by_colour_alone() -> None:
    lines = [Line(str(at), [1, 2], [0, at], group=f"g{at}") for at in range(9)]
    html = str(draw(LineChart("a", "x", "y", lines)))
    assert {f'class="s{at}"' for at in range(7)} <= set(re.findall(r'class="s\d"', html))
    assert 'class="s0 again"' in html
    points = [Point(at, at, group=f"g{at}") for at in range(7)]
    shapes = re.findall(r'<path d="(.*?)">', str(draw(ScatterChart("a", "x", "y", points))))
    assert len(set(shapes)) == 7


def test_bars_begin_at_nought() -> None:
    html = str(draw(BarChart("a", ["b", "c"], [5.0, 10.0])))
    bars = re.findall(r'class="bar" x="(.*?)" width="(.*?)"', html)
    assert bars == [("0%", "50%"), ("0%", "100%")]


def test_an_interval_is_where_its_numbers_say() -> None:
    chart = IntervalChart("a", "x", [Interval("b", 5, 0, 10), Interval("c", 5)], reference=10)
    html = str(draw(chart))
    ((low, high),) = re.findall(r'class="whisker" x1="(.*?)%" x2="(.*?)%"', html)
    assert float(high) - float(low) == pytest.approx(100 / 1.08, abs=0.1)
    assert f'class="rule" x1="{high}%"' in html and "5.000" in html and "0.000 to 10.000" in html


def test_a_thousand_trials_stay_small() -> None:
    lines = [
        Line(f"trial {at}", range(1, 7), [0.5 + at / 1e4] * 6, "a", (2, 6), at, f"fold {at % 5}")
        for at in range(5000)
    ]
    html = str(draw(LineChart("a", "epoch", "score", lines, facets=[f"fold {at}" for at in range(5)])))
    assert len(html) < 300 * 5000


def test_rules_of_one_kind_are_named_once() -> None:
    rungs = [(1, "rung 1"), (3, "rung 2"), (9, "rung 3"), (12, "end")]
    html = str(draw(LineChart("a", "x", "y", [Line("b", [1, 12], [0, 1])], x_marks=rungs)))
    names = html[html.index('class="rule-names"') :]
    assert re.findall(r"<text[^>]*>(.*?)</text>", names)[:4] == ["rung 1", "2", "3", "end"]


def test_the_few_are_drawn_above_the_many() -> None:
    lines = [
        Line("best", [1, 2], [0, 1], "complete"),
        *(Line("x", [1, 2], [0, 1], "stopped") for _ in range(3)),
    ]
    html = str(draw(LineChart("a", "x", "y", lines)))
    assert html.rindex("best") > html.rindex("<title>x")
