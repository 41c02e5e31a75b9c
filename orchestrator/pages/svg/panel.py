"""One drawing area with its axes. It is as wide as there is room, and its texts keep their size at any width:
places are percentages, and lines are stretched with strokes that are not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from orchestrator.pages.figures import Number
from orchestrator.pages.svg.element import clipped, element, join, percent
from orchestrator.pages.svg.scale import Scale, Tick

UNITS = 10_000
"""Side of the square in which paths are drawn before they are stretched: whole numbers are fine enough."""

_LONGEST_TICK = 18  # characters of a category
_WIDTH = 42  # characters below a small panel: more texts are turned


def panel(
    x: Scale,
    y: Scale,
    drawing: Markup,
    *,
    title: str,
    description: str,
    x_label: str,
    y_label: str,
    head: str = "",
    rules: Sequence[tuple[float, str]] = (),
    classes: str = "",
) -> Markup:
    """drawing: of `stretched` or `at`. rules: vertical, place on x and name. head: of a facet, above it."""
    inside = [
        (place, name) for value, name in rules if (place := x.at(value)) is not None and x.covers(value)
    ]
    plot = element(
        "svg",
        element("title", f"{title} {head}".strip()),
        element("desc", description),
        _grid(x, y),
        join(
            element("line", class_="rule", x1=percent(p), x2=percent(p), y1="0", y2="100%") for p, _ in inside
        ),
        drawing,
        _rule_names(inside),
        class_=f"plot {classes}".strip(),
        role="img",
        focusable="false",
    )
    parts = (
        element("p", head, class_="head") if head else Markup(""),
        element("p", y_label, class_="y-label"),
        element("div", _y_axis(y), plot, _x_axis(x), class_="frame"),
        element("p", x_label, class_="x-label"),
    )
    return element("div", *parts, class_="panel")


def stretched(*parts: Markup) -> Markup:
    """What is drawn in units of `path`."""
    box = f"0 0 {UNITS} {UNITS}"
    return element(
        "svg", *parts, view_box=box, preserve_aspect_ratio="none", width="100%", height="100%", class_="lines"
    )


def path(points: Sequence[tuple[Number, Number]]) -> str:
    """`d` through places between 0 and 1, y from below; broken at gaps. A lone point is a line of no length,
    which its round end makes a dot."""
    words: list[str] = []
    is_open = False
    for index, place in enumerate(points):
        here = _units(place)
        if here is None:
            is_open = False
            continue
        words.append(f"{'L' if is_open else 'M'}{here[0]} {here[1]}")
        following = _units(points[index + 1]) if index + 1 < len(points) else None
        if not is_open and following is None:
            words.append("h0")
        is_open = True
    return "".join(words)


def dots(points: Sequence[tuple[Number, Number]]) -> str:
    """`d` of a dot at each place."""
    return "".join(f"M{here[0]} {here[1]}h0" for place in points if (here := _units(place)) is not None)


def _units(place: tuple[Number, Number]) -> tuple[int, int] | None:
    x, y = place
    if x is None or y is None:
        return None
    return round(x * UNITS), round((1 - y) * UNITS)


def _grid(x: Scale, y: Scale) -> Markup:
    across = (element("line", x1="0", x2="100%", y1=percent(1 - t.at), y2=percent(1 - t.at)) for t in y.ticks)
    down = (element("line", x1=percent(t.at), x2=percent(t.at), y1="0", y2="100%") for t in x.ticks)
    return element("g", join(across), join(down), class_="grid")


def _rule_names(rules: Sequence[tuple[float, str]]) -> Markup:
    """At the top, those that are close one below the other. After "rung 1" it is enough to say 2, 3, 4."""
    names, row, stem = [], 0, ""
    for index, (place, name) in enumerate(rules):
        word, _, rest = name.rpartition(" ")
        written, stem = (rest, stem) if word and word == stem else (name, word)
        is_close = index > 0 and place - rules[index - 1][0] < 0.02 * len(rules[index - 1][1])
        row = row + 1 if is_close and written == name else 0
        side = {"text_anchor": "end", "dx": "-.3em"} if place > 0.9 else {"dx": ".3em"}
        names.append(element("text", written, x=percent(place), dy=f"{1 + 1.1 * row:.1f}em", **side))
    return element("g", join(names), class_="rule-names")


def _y_axis(scale: Scale) -> Markup:
    texts = [clipped(tick.text, _LONGEST_TICK) for tick in scale.ticks]
    marks = (
        element("text", written, x="100%", y=percent(1 - tick.at), dx="-.5em", dy=".35em", text_anchor="end")
        for tick, written in zip(scale.ticks, texts, strict=True)
    )
    width = 0.62 * max(map(len, texts), default=0) + 1
    return element("svg", join(marks), class_="y-axis", width=f"{width:.1f}em", aria_hidden="true")


def _x_axis(scale: Scale) -> Markup:
    ticks = _apart(scale.ticks)
    texts = [clipped(tick.text, _LONGEST_TICK) for tick in ticks]
    if sum(len(written) + 2 for written in texts) > _WIDTH:
        return _turned(ticks, texts)
    marks = (
        element("text", written, x=percent(tick.at), dy="1.2em", text_anchor="middle")
        for tick, written in zip(ticks, texts, strict=True)
    )
    return element("svg", join(marks), class_="x-axis", height="1.6em", aria_hidden="true")


def _turned(ticks: Sequence[Tick], texts: Sequence[str]) -> Markup:
    marks = (
        element(
            "svg",
            element("text", written, transform="rotate(-40)", text_anchor="end", dy=".8em"),
            x=percent(tick.at),
            overflow="visible",
        )
        for tick, written in zip(ticks, texts, strict=True)
    )
    height = f"{0.42 * max(map(len, texts)) + 1.5:.1f}em"
    return element("svg", join(marks), class_="x-axis", height=height, aria_hidden="true")


def _apart(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """All of them, or each second, third ... of many categories."""
    gaps = [after.at - before.at for before, after in pairwise(ticks)]
    every = 1
    while gaps and min(gaps) * every < 0.04:
        every += 1
    return tuple(ticks[::every])
