"""What every command does with what ends it: exit codes, one line on standard error, no traceback."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable

from orchestrator.cli.signals import ignore_interrupts, treat_hangups_as_interrupts
from orchestrator.core.errors import InputError, OrchestratorError, StorageError
from orchestrator.core.text import on_one_line, shown

EXIT_CODES = {
    0: "done",
    1: "no trial was completed; doctor: something blocks; check: something must be mended",
    2: "the input is wrong, or a place cannot be written; the message says what, where and the way out",
    130: "interrupted; everything finished is saved",
    141: "what read the output ended first, as `head` does",
}
"""What a shell sees, for the reference of commands."""


def exit_code(run: Callable[[], int | None], interrupted: str) -> int:
    """What `run` returns (None: 0); 2 for wrong input, a full disk or a file that the system refuses, 1 for
    another refusal, 130 interrupted, 141 (as a shell calls SIGPIPE) where nobody reads the output any more.

    interrupted: what to tell the user then.
    """
    treat_hangups_as_interrupts()
    try:
        code = run() or 0
        sys.stdout.flush()  # at the interpreter's end it would be too late to say nothing
        return code
    except KeyboardInterrupt:
        ignore_interrupts()
        print(interrupted, file=sys.stderr)
        return 130
    except OrchestratorError as error:
        say_error(error)
        return 2 if isinstance(error, InputError | StorageError) else 1
    except OSError as error:
        if isinstance(error, BrokenPipeError) and (unread := _unread()):
            _write_nowhere(unread)
            return 141
        if error.filename is None:
            raise
        say_error(
            f"{on_one_line(str(error.filename))}: {error.strerror}; correct that, or name another place, "
            "then give the same command again"
        )
        return 2


def _unread() -> list[int]:
    """Which of standard output and error are pipes whose reader has gone; sockets of a library break, too."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            poll.register(stream.fileno(), 0)
        except (io.UnsupportedOperation, ValueError):
            continue  # a program's own stream, or a closed one
    return [number for number, events in poll.poll(0) if events & select.POLLERR]


def _write_nowhere(unread: list[int]) -> None:
    """What is left in buffers is dropped at the interpreter's end instead of failing there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in unread:
        os.dup2(nowhere, number)
    os.close(nowhere)


def say_error(error: object) -> None:
    """On standard error; an error's text holds names of files and classes, which may hold anything."""
    print(f"error: {shown(str(error))}", file=sys.stderr)
