"""What ends a command gives its exit code, and no traceback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from orchestrator.cli.exit_codes import exit_code

PRINT = """
import sys
from rich.text import Text
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.terminal import Terminal

def run():
    sys.stdin.read()  # until the reader has gone
    print("x" * {n}) if {plain} else Terminal().print(Text("x" * {n}))

sys.exit(exit_code(run, "interrupted"))
"""


@pytest.mark.parametrize("plain", [True, False], ids=["print", "console"])
@pytest.mark.parametrize("n", [10, 100_000], ids=["buffered", "more than a buffer"])
def test_a_reader_that_leaves_early_is_no_error(plain: bool, n: int) -> None:
    command = [sys.executable, "-c", PRINT.format(n=n, plain=plain)]
    ran = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert ran.stdin is not None and ran.stdout is not None and ran.stderr is not None
    ran.stdout.close()
    ran.stdin.close()
    assert ran.stderr.read() == b""
    ran.stderr.close()
    assert ran.wait() == 141


def test_a_broken_pipe_of_a_library_is_not_taken_for_the_output() -> None:
    def run() -> None:
        read, write = os.pipe()
        os.close(read)
        with contextlib.closing(os.fdopen(write, "wb", 0)) as pipe:
            pipe.write(b"x")

    with pytest.raises(BrokenPipeError):
        exit_code(run, "interrupted")
