"""What ends a command from outside is obeyed, also where a library drops it."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator

import pytest

from orchestrator.cli.signals import (
    HANGUPS,
    REPEATED_S,
    ignore_interrupts,
    raise_if_interrupted,
    restored_signals,
    treat_hangups_as_interrupts,
    with_signals_kept,
)


@pytest.fixture
def command() -> Iterator[None]:
    """As in a command that has just begun, whatever an earlier test left."""
    with restored_signals():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in HANGUPS:
            signal.signal(number, signal.SIG_DFL)
        treat_hangups_as_interrupts()
        yield
        ignore_interrupts()


def drop(number: signal.Signals) -> None:
    """As a compiled library does that looks for signals and forgets what it found."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_that_a_library_dropped_is_raised_at_the_next_look(
    command: None, number: signal.Signals
) -> None:
    raise_if_interrupted()
    drop(number)
    with pytest.raises(KeyboardInterrupt):
        raise_if_interrupted()


def test_presses_in_quick_succession_are_one_and_a_later_one_counts_again(
    command: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("orchestrator.cli.signals.time.monotonic", lambda: now[0])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    now[0] += REPEATED_S + 0.1
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_is_being_obeyed_is_raised_no_more(command: None) -> None:
    drop(signal.SIGINT)
    ignore_interrupts()
    raise_if_interrupted()
    signal.raise_signal(signal.SIGINT)  # ignored from now on


def test_the_next_command_of_a_process_begins_without_the_interrupt_of_the_last(command: None) -> None:
    drop(signal.SIGINT)
    treat_hangups_as_interrupts()
    raise_if_interrupted()


def test_what_is_ignored_stays_ignored(command: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    treat_hangups_as_interrupts()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def given_back(number: signal.Signals) -> bool:
    """Gives the signal back to the system, as a compiled library does; whether it had been there already."""
    library = ctypes.CDLL(None)
    library.signal.argtypes, library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    return not library.signal(number, None)


def is_taken_again(number: signal.Signals) -> bool:
    """Whether somebody takes it, within half a minute, after it was given back to the system."""
    given_back(number)
    moment = threading.Event()
    return any(not given_back(number) for _ in range(30_000) if not moment.wait(0.001))


def test_a_signal_that_a_library_gives_back_to_the_system_is_taken_again_at_once(command: None) -> None:
    taken: list[bool] = []
    with_signals_kept(lambda: taken.append(is_taken_again(signal.SIGTERM)))
    assert taken == [True]
    assert not given_back(signal.SIGTERM)  # what `is_taken_again` did last is undone as well


def test_an_interrupt_waits_for_what_must_end_first(command: None) -> None:
    ended: list[bool] = []

    def end() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        ended.append(is_taken_again(signal.SIGTERM))  # the interrupt keeps nobody from that

    with pytest.raises(KeyboardInterrupt):
        with_signals_kept(end)
    assert ended == [True]


def test_of_two_signals_that_waited_the_one_that_ends_the_program_counts(command: None) -> None:
    came: list[int] = []
    both = (signal.SIGINT, signal.SIGTERM)
    for number in both:
        signal.signal(number, lambda number, frame: came.append(number))

    def end() -> None:
        for number in both:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    with_signals_kept(end)
    assert came == [signal.SIGTERM]


def test_what_it_runs_may_fail(command: None) -> None:
    def end() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        with_signals_kept(end)
