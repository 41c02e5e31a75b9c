"""What an editor, a disk or an attacker makes of a file, for hypothesis to draw."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Draw = Callable[[Any], Any]

WRONG = st.sampled_from(
    [None, "NaN", float("nan"), float("inf"), -1, 0, 10**9, 10**30, 1e308, "x", [], {}, True, "", 0.5, [1],
     {"a": 1}, "../../x", "\x1b[2J", "a\0b", "\ud800", "/etc/passwd", [[[[1]]]]]
)  # fmt: skip
DEEP = b"[" * 100_000
PICKLED = pickle.dumps({"a": 1})


def examples(number: int) -> Any:
    """So many, always the same; many times as many, and others each time, where FUZZ=TIMES says so."""
    times = int(os.environ.get("FUZZ", "0"))
    checks = list(HealthCheck)
    return settings(
        max_examples=number * max(times, 1),
        deadline=None,
        suppress_health_check=checks,
        derandomize=not times,
    )


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ways to every value inside a JSON value."""
    if not isinstance(value, dict | list):
        return []
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [place for key, item in items for place in [(*way, key), *places(item, (*way, key))]]


def with_wrong_value(draw: Draw, record: Any) -> Any:
    """The record, changed in place: one value is another one, or gone."""
    *way, last = draw(st.sampled_from(places(record)))
    inside = record
    for key in way:
        inside = inside[key]
    if draw(st.booleans()):
        inside[last] = draw(WRONG)
    else:
        del inside[last]
    return record


@st.composite
def json_texts(draw: Draw, data: bytes, without: str = "") -> bytes:
    """without: a field that is taken out first, such as a digest."""
    record = json.loads(data)
    if without:
        record.pop(without, None)
    return json.dumps(with_wrong_value(draw, record)).encode()


@st.composite
def any_bytes(draw: Draw, data: bytes) -> bytes:
    """Some bytes are others, or only the first are there, or something else is."""
    kind = draw(st.sampled_from(["flipped", "flipped", "flipped", "cut", "junk", "doubled"]))
    if kind == "flipped":
        changed = bytearray(data)
        for _ in range(draw(st.sampled_from([1, 1, 4, 20]))):
            changed[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        return bytes(changed)
    if kind == "cut":
        return data[: draw(st.integers(0, len(data) - 1))]
    if kind == "doubled":
        return data + data
    return draw(st.sampled_from([b"", bytes(len(data)), PICKLED, DEEP, b"null", b"{}", b"[]", b"\xff\xfe"]))
