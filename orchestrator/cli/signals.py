"""What ends a command from outside: Ctrl-C, a termination, a closed SSH connection."""

from __future__ import annotations

import signal
import threading
from typing import Any

HANGUPS = (signal.SIGTERM, signal.SIGHUP)


def treat_hangups_as_interrupts() -> None:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; what is ignored (nohup) stays ignored."""
    for number in HANGUPS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def ignore_interrupts() -> None:
    """From here on saving comes first: a second Ctrl-C must not cut it short."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *HANGUPS):
            signal.signal(number, signal.SIG_IGN)


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
