"""One long step on the screen: a clock from its first second, a time left once there is a basis for one."""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from rich.console import Console

from orchestrator.cli.terminal import Terminal, last_line
from orchestrator.progress import hidden_bars, progress_bar
from orchestrator.progress.bar import QUIET_S, _Bar


def console(terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def test_a_step_that_says_nothing_shows_its_clock_in_every_second(clock: Clock) -> None:
    on = console()
    bar = _Bar("starting Ray", on, clock)
    seen = []
    for second in range(6):
        clock.now = float(second)
        before = len(printed(on))
        bar.tick()
        seen.append(printed(on)[before:])
    bar.close()
    assert seen[0] == ""  # under QUIET_S nothing is shown
    shown = [found[0] for text in seen[1:] if (found := re.search(r"starting Ray: \d s so far", text))]
    assert shown == [f"starting Ray: {second} s so far" for second in range(1, 6)]
    assert "starting Ray: took 5 s" in printed(on)


def test_a_clock_goes_on_by_itself() -> None:
    """The thread that keeps it going: the step waits until it has written, and says nothing itself.

    A second has passed whenever the thread looks: on a busy machine it may come to its first look late.
    """
    written = io.StringIO()

    class Waiting(io.StringIO):
        def write(self, text: str) -> int:
            written.write(text)
            if "so far" in text:
                seen.set()
            return len(text)

    seen = threading.Event()
    now = chain([0.0], repeat(QUIET_S))
    on = Console(file=Waiting(), width=80, force_terminal=True, color_system=None)
    with progress_bar("importing torch", on, now.__next__):
        assert seen.wait(60)
    assert "importing torch: 1 s so far" in written.getvalue()


def test_no_time_left_is_shown_before_two_seconds_give_a_basis(clock: Clock) -> None:
    on = console()
    bar = _Bar("decoding", on, clock)
    for now, done in ((1.5, 2), (3.0, 4)):
        clock.now = now
        bar.update(done, 12)
    bar.close()
    assert [text in printed(on) for text in ("2/12 2 s so far", "4/12 6 s left")] == [True, True]
    assert "8 s left" not in printed(on)


def test_of_steps_inside_each_other_the_innermost_is_shown_and_has_the_line_that_stays(clock: Clock) -> None:
    on = console()
    outer, inner = _Bar("preparing the study", on, clock), _Bar("reading rows", on, clock)
    clock.now = 2.0
    outer.tick()
    outer.hide()
    before = len(printed(on))
    clock.now = 4.0
    outer.tick()
    inner.tick()
    assert "preparing" not in printed(on)[before:]
    inner.close()
    outer.show_again()
    clock.now = 5.0
    outer.tick()
    assert "preparing the study: 5 s so far" in printed(on)
    outer.close()
    assert "reading rows: took 4 s" in printed(on)
    assert "preparing the study: took" not in printed(on)


def test_in_a_log_file_a_silent_step_has_ever_fewer_lines(clock: Clock) -> None:
    on = console(terminal=False)
    bar = _Bar("starting Ray", on, clock)
    for second in range(40):
        clock.now = float(second)
        bar.tick()
    bar.close()
    seconds = [int(found) for found in re.findall(r"starting Ray: (\d+) s so far", printed(on))]
    assert seconds == [1, 6, 16, 36]
    assert printed(on).endswith("starting Ray: took 39 s\n")


def test_a_step_that_has_done_all_it_counted_has_no_time_left(clock: Clock) -> None:
    """It writes what it made, or waits for others."""
    for terminal, expected in ((True, "decoding"), (False, "decoding: 4/4 (100%), took 9 s\n")):
        on = console(terminal)
        clock.now = 0.0
        bar = _Bar("decoding", on, clock)
        clock.now = 0.5
        bar.update(4, 4)
        clock.now = 8.0
        bar.tick()
        clock.now = 9.0
        bar.close()
        assert "0 s left" not in printed(on)
        assert printed(on).startswith(expected) or terminal


def test_a_program_hears_of_steps_as_they_begin_go_on_and_end() -> None:
    heard: list[tuple[str, int, int]] = []
    with hidden_bars(lambda name, done, total: heard.append((name, done, total))):
        with progress_bar("starting Ray"):
            pass
        with progress_bar("decoding") as progress:
            progress(1, 2)
            progress(2, 2)
    assert heard == [
        ("starting Ray", 0, 0), ("starting Ray", 1, 1),
        ("decoding", 0, 0), ("decoding", 1, 2), ("decoding", 2, 2),
    ]  # fmt: skip


def on_screen(written: str) -> list[str]:
    """The rows of a terminal, of what moves by carriage returns, goes up and clears rows."""
    rows, row, column = [""], 0, 0
    for sign in re.findall(r"\x1b\[\??\d*[a-zA-Z]|[^\x1b]", written):
        if sign == "\n":
            row, column = row + 1, 0
            rows += [""] * (row == len(rows))
        elif sign == "\r":
            column = 0
        elif sign == "\x1b[2K":
            rows[row] = ""
        elif sign == "\x1b[1A":
            row -= 1
        elif not sign.startswith("\x1b"):
            rows[row] = f"{rows[row].ljust(column)[:column]}{sign}{rows[row][column + 1 :]}"
            column += 1
    return rows


def test_what_another_stream_prints_goes_above_the_line_of_a_step(clock: Clock) -> None:
    screen = io.StringIO()  # both streams are the same terminal
    streams = [Terminal(file=screen, width=80, force_terminal=True, color_system=None) for _ in range(2)]
    bar = _Bar("reading rows", streams[0], clock)
    clock.now = 18.0
    bar.tick()
    with last_line(bar):
        streams[1].print("rows: 1680 images of 240 groups")
        assert on_screen(screen.getvalue()) == [
            "rows: 1680 images of 240 groups",
            "reading rows: 18 s so far",
        ]
        clock.now = 19.0
        bar.close()
        streams[1].print("folds: 5")
    assert on_screen(screen.getvalue())[:3] == [
        "rows: 1680 images of 240 groups", "reading rows: took 19 s", "folds: 5",
    ]  # fmt: skip


def test_a_step_is_the_last_line_of_every_terminal_while_it_goes_on() -> None:
    out, err = console(), console()
    screen = Terminal(file=out.file, width=80, force_terminal=True, color_system=None)
    asked: list[str] = []

    class Watched:
        @contextlib.contextmanager
        def aside(self, console: Console) -> Iterator[None]:
            asked.append("outer")
            yield

    with last_line(Watched()):
        with progress_bar("reading rows", err):
            screen.print("one")
        assert asked == []
        screen.print("two")
    assert asked == ["outer"]
    screen.print("three")
    assert asked == ["outer"] and printed(out) == "one\ntwo\nthree\n"
