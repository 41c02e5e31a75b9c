"""One measuring process: started, told when to begin, ended when it takes too long or too much."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from orchestrator.core.fold_run_cost import FoldRunCost, cost_from_json
from orchestrator.core.own_memory import own_unshared
from orchestrator.core.text import on_one_line
from orchestrator.execution.memory_pressure import gb
from orchestrator.execution.worker_environment import ALLOCATION
from orchestrator.machine.private_folder import private_folder

COMMAND = (sys.executable, "-P", "-m", "orchestrator.execution.probe_process")
START_S = 120.0  # for Python, torch and the trainable's module to be imported
LIMIT_S = 20.0  # for all that comes after
LOOK_S = 0.05  # seconds between two looks at its memory
SAID = 300  # characters of what it wrote


class ProbeRun:
    """Of one request, in a process group of its own.

    room: bytes of this machine that it may hold; it is ended beyond them and counts as what does not fit.
    """

    def __init__(self, request: Mapping[str, Any], room: int | None = None) -> None:
        self._room, self._held = room, 0
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        # Ray ends a killed search's processes before they can tidy: what they leave the next command removes.
        self._own = contextlib.ExitStack()
        folder = str(self._own.enter_context(private_folder()).path)
        self._process = subprocess.Popen(
            [*COMMAND, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(int(request["resources"]["cpus"]), folder),
            start_new_session=True,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._tell(json.dumps(dict(request)))
        self._until = time.monotonic() + START_S

    def __enter__(self) -> ProbeRun:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever it does, it is gone."""
        with contextlib.suppress(ProcessLookupError):  # it ended by itself, and so did all that it started
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # what it was told last was never read
                pipe.close()
        self._errors.close()
        self._own.close()

    def warm(self) -> FoldRunCost | str | None:
        """None once it waits to begin; else how it ended before that."""
        answer = self._answer("starting", START_S)
        if answer == {"started": True}:
            answer = self._answer("measuring", LIMIT_S)
        return None if answer == {"warm": True} else self._end(answer)

    def cost(self, seconds: float | None = None) -> FoldRunCost | str:
        """Begins, and what was measured; else what went wrong, in one line. seconds: what it may take; None:
        what `warm` has left of LIMIT_S."""
        self._tell("go")
        left = max(self._until - time.monotonic(), 0.0) if seconds is None else seconds
        return self._end(self._answer("measuring", left))

    def _end(self, answer: Mapping[str, Any] | FoldRunCost | str) -> FoldRunCost | str:
        if isinstance(answer, FoldRunCost | str):
            return answer
        try:
            return cost_from_json(answer["cost"]) if "cost" in answer else str(answer["fault"])
        except (KeyError, TypeError, ValueError) as error:
            return f"its answer is no cost: {on_one_line(str(error))[:SAID]}"

    def _answer(self, doing: str, seconds: float) -> Mapping[str, Any] | FoldRunCost | str:
        self._until = time.monotonic() + seconds
        while time.monotonic() < self._until:
            try:
                line = self._lines.get(timeout=LOOK_S)
            except queue.Empty:
                if self._room is not None and self._look() > self._room:
                    return FoldRunCost(self._held, 0, 0.0, 0.0, fits=False)
                continue
            return self._parsed(line) if line else self._death(doing)
        return _still(doing)

    def _parsed(self, line: str) -> Mapping[str, Any] | str:
        try:
            answer: Mapping[str, Any] = json.loads(line)
        except ValueError:
            return f"its answer is no JSON: {on_one_line(line.strip())[:SAID]}"
        return answer

    def _look(self) -> int:
        self._held = max(self._held, own_unshared(Path(f"/proc/{self._process.pid}/status")))
        return self._held

    def _death(self, doing: str) -> FoldRunCost | str:
        try:
            code = self._process.wait(max(self._until - time.monotonic(), LOOK_S))
        except subprocess.TimeoutExpired:  # it closed its output and goes on
            return _still(doing)
        if code == -signal.SIGKILL:  # not ours: the kernel ends so who has too much memory
            return FoldRunCost(self._held, 0, 0.0, 0.0, fits=False)
        self._errors.seek(0)
        written = self._errors.read().decode(errors="replace").strip().splitlines() or ["it wrote nothing"]
        return f"its process ended with exit code {code}: {on_one_line(written[-1])[:SAID]}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")  # it ended, or closed its output

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone already, as its answer will say
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def _still(doing: str) -> str:
    limit = START_S if doing == "starting" else LIMIT_S
    return f"it was still {doing} after {limit:g} seconds"


def _environment(cpus: int, folder: str) -> dict[str, str]:
    """A worker's, and it imports what this process imports. folder: for its temporary files."""
    path = os.pathsep.join(item or str(Path.cwd()) for item in sys.path)
    return {**ALLOCATION, **os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(cpus), "TMPDIR": folder}


def held_text(cost: FoldRunCost) -> str:
    return f"it does not fit: it ran out of memory at {gb(max(cost.resident_bytes, cost.device_bytes))}"
