"""A terminal that is written to only when something has changed, and never so often that it costs much."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest
from rich.console import Console

from orchestrator.progress.layout import Line, line
from orchestrator.progress.screen import REFRESH_S, SHARE, SLOWEST_S, Lines, Screen


class Told:
    """What the screen is to show, a clock, and what was written to the terminal since it was last asked."""

    def __init__(self) -> None:
        self.lines: list[Line] = [line("one"), line("two", "bold")]
        self.console = Console(
            file=io.StringIO(), width=80, height=24, force_terminal=True, color_system=None
        )
        self.seconds: Iterator[float] = iter(())

    def screen(self) -> Screen:
        return Screen(self.console, lambda: list(self.lines), timer=lambda: next(self.seconds, 0.0))

    def written(self) -> str:
        file = self.console.file
        assert isinstance(file, io.StringIO)
        text = file.getvalue()
        file.seek(0)
        file.truncate()
        return text


def test_nothing_is_written_while_nothing_changes() -> None:
    told = Told()
    screen = told.screen()
    screen.draw()
    told.written()
    screen.draw()
    assert told.written() == ""
    told.lines[0] = line("three")
    screen._live.start()
    screen.draw()
    assert "three" in told.written()
    screen._live.stop()


@pytest.mark.parametrize(
    ("took", "wait"),
    [(0.0, REFRESH_S), (0.001, REFRESH_S), (0.004, 0.5), (0.5, SLOWEST_S)],
)
def test_the_next_drawing_waits_until_this_one_was_a_small_part_of_the_time(took: float, wait: float) -> None:
    told = Told()
    told.seconds = iter([10.0, 10.0 + took])
    assert told.screen().draw() == pytest.approx(wait)
    assert took / wait <= SHARE or wait == SLOWEST_S


def test_the_picture_goes_away_when_the_screen_is_left() -> None:
    told = Told()
    with told.screen():
        told.console.print("above")
    assert told.written().endswith("\x1b[1A\x1b[2K" * 2)


def test_a_terminal_that_is_gone_ends_no_study() -> None:
    told = Told()
    with told.screen() as screen:
        screen._lines = fails
        screen._thread.join(60)
        assert not screen._thread.is_alive()


def fails() -> Sequence[Line]:
    raise OSError("input/output error")


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=80, force_terminal=True)
    console.print(Lines([line("━━╸── rank 1 of…")]))
    console.file.flush()
    assert b"===-- rank 1 of." in raw.getvalue()
