"""What ends a command from outside is obeyed, also where a library drops it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest

from orchestrator.cli.signals import (
    HANGUPS,
    REPEATED_S,
    ignore_interrupts,
    raise_if_interrupted,
    restored_signals,
    treat_hangups_as_interrupts,
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
