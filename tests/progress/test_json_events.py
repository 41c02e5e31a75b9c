"""A search as JSON: every line an event that a program can read, whatever scores and names hold."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.events import Action, Decision, EpochEnded, FoldRunKey, LegFailed, LegStarted
from orchestrator.progress import JsonLines, JsonView, StudyContext
from orchestrator.progress.json_events import VERSION, plain
from orchestrator.race import RaceConfig, make_race


class Heard:
    def __init__(self) -> None:
        self.out, self.now = io.StringIO(), 0.0
        self.lines = JsonLines(self.out, lambda: self.now)

    def events(self) -> list[dict[str, Any]]:
        def refuse(text: str) -> None:
            raise AssertionError(f"{text} is no JSON")

        return [json.loads(line, parse_constant=refuse) for line in self.out.getvalue().splitlines()]


def test_a_view_writes_the_journals_events_what_follows_and_how_far_it_is() -> None:
    heard = Heard()
    race = make_race("exhaustive", RaceConfig(trials=1, folds=2, max_t=1, finalists=1))
    study = StudyContext("a", "macro_f1", "max", 1, 2, folds=2)
    with JsonView(race, study, heard.lines, clock=lambda: heard.now) as view:
        view.on_event(LegStarted(0, 1, 0, 1), [], 1.0)
        view.on_ready(FoldRunKey(0, 1), 2.0)
        stop = Decision(Action.STOP, 0, "all 1 epoch done", 1)
        ended = EpochEnded(0, 1, 1, math.nan, {"macro_f1": 0.5}, 2.0, {"oof": "abc"})
        view.on_event(ended, [Decision(Action.CONTINUE, 0, "", 1), stop], 3.0)
        view.on_event(LegFailed(0, 0, 0, "exception", "boom\n\x1b[2J", "a traceback"), [], 3.5)
        view.message("a line")
    found = heard.events()
    assert [event["event"] for event in found] == [
        "study", "leg_started", "worker_ready", "epoch_ended", "decided", "progress", "leg_failed", "message",
        "progress",
    ]  # fmt: skip
    assert {event["v"] for event in found} == {VERSION}
    by_kind = {event["event"]: event for event in found}
    assert by_kind["study"]["trials"] == 1 and by_kind["study"]["planned"] == 2
    assert by_kind["epoch_ended"]["score"] is None  # no number in JSON
    assert by_kind["epoch_ended"]["metrics"] == {"macro_f1": 0.5} and "digests" not in by_kind["epoch_ended"]
    assert by_kind["decided"]["action"] == "STOP"
    assert "traceback" not in by_kind["leg_failed"]
    assert "\x1b" not in heard.out.getvalue()


def test_a_step_is_told_as_it_begins_once_a_second_and_as_it_ends() -> None:
    heard = Heard()
    heard.lines.step("decoding", 0, 0)
    for done in range(1, 41):
        heard.now = done / 10
        heard.lines.step("decoding", done, 40)
    heard.lines.step("decoding", 40, 40)
    told = [(event["done"], event["ended"]) for event in heard.events()]
    assert told == [(0, False), (10, False), (20, False), (30, False), (40, True)]


def test_a_reader_that_goes_away_ends_nothing() -> None:
    class Gone(io.StringIO):
        written = 0

        def write(self, text: str) -> int:
            self.written += 1
            raise BrokenPipeError

    out = Gone()
    lines = JsonLines(out)
    lines.message("a")
    lines.message("b")
    assert out.written == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64("inf"), None), (np.int64(3), 3), (Path("a/b"), "a/b"), ((1, 2.5), [1, 2.5]),
        ({1: {"x": math.nan}}, {"1": {"x": None}}), (True, True), (None, None), ("text", "text"),
    ],
)  # fmt: skip
def test_what_json_does_not_know_becomes_what_it_does(value: object, expected: object) -> None:
    assert plain(value) == expected
