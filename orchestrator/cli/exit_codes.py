"""What every command does with what ends it: exit codes, one line on standard error, no traceback."""

from __future__ import annotations

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
}
"""What a shell sees, for the reference of commands."""


def exit_code(run: Callable[[], int | None], interrupted: str) -> int:
    """What `run` returns (None: 0); 2 for wrong input, a full disk or a file that the system refuses, 1 for
    another refusal, 130 interrupted.

    interrupted: what to tell the user then.
    """
    treat_hangups_as_interrupts()
    try:
        return run() or 0
    except KeyboardInterrupt:
        ignore_interrupts()
        print(interrupted, file=sys.stderr)
        return 130
    except OrchestratorError as error:
        say_error(error)
        return 2 if isinstance(error, InputError | StorageError) else 1
    except OSError as error:
        if error.filename is None:
            raise
        say_error(
            f"{on_one_line(str(error.filename))}: {error.strerror}; correct that, or name another place, "
            "then give the same command again"
        )
        return 2


def say_error(error: object) -> None:
    """On standard error; an error's text holds names of files and classes, which may hold anything."""
    print(f"error: {shown(str(error))}", file=sys.stderr)
