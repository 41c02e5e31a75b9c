"""What ends a command from outside: Ctrl-C, a termination, a closed SSH connection."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

HANGUPS = (signal.SIGTERM, signal.SIGHUP)
REPEATED_S = 5.0
"""Seconds in which further interrupts are the same one."""


class _Asked:
    """at: when an interrupt came that nobody has said yet is being obeyed; None: none did."""

    at: float | None = None
    number: int | None = None  # the signal that it was


def treat_hangups_as_interrupts() -> None:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; what is ignored (nohup) stays ignored."""
    _Asked.at = _Asked.number = None
    for number in (signal.SIGINT, *HANGUPS):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)


def raise_if_interrupted() -> None:
    """Raises the KeyboardInterrupt that a library has caught and dropped, as Ray's compiled part may."""
    if _Asked.at is not None:
        raise KeyboardInterrupt


def take_interrupt() -> None:
    """For who caught a Ctrl-C that ends one step alone, and goes on; another one counts again.

    Raises KeyboardInterrupt for a termination or a closed connection, which mean the whole command.
    """
    number, _Asked.at, _Asked.number = _Asked.number, None, None
    if number in HANGUPS:
        raise KeyboardInterrupt


def ignore_interrupts() -> None:
    """From here on saving comes first: a second Ctrl-C must not cut it short."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *HANGUPS):
            signal.signal(number, signal.SIG_IGN)
    _Asked.at = None


@contextlib.contextmanager
def restored_signals() -> Iterator[None]:
    """For programs that go on after a search was interrupted: Ctrl-C does afterwards what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can change them
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *HANGUPS)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(signum: int, frame: Any) -> None:
    """A second one on the way to `ignore_interrupts` would end the command before anything is noted."""
    now = time.monotonic()
    if _Asked.at is None or now - _Asked.at > REPEATED_S:
        _Asked.at, _Asked.number = now, signum
        raise KeyboardInterrupt
