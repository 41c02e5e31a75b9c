"""The driver's side: starts the tracking process, and lets it go. Imports no tracker's library."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from orchestrator.tracking.destinations import EXTRAS, Destinations
from orchestrator.tracking.settings import choose_mode

LOG = "tracking.log"


class Tracker:
    """A tracking process, or the reason why there is none. `notes`: lines worth showing at the start."""

    def __init__(
        self,
        study: Path,
        to: Destinations,
        mode: str,
        notes: tuple[str, ...],
        process: subprocess.Popen[bytes] | None,
    ) -> None:
        self.notes = notes
        self._study = study
        self._to = to
        self._mode = mode
        self._process = process

    @classmethod
    def start(cls, study_dir: Path, to: Destinations, mode: str | None = None) -> Tracker:
        """Starts mirroring a study that is open. mode, of W&B: online, offline or disabled; by default what
        WANDB_MODE says, else online.

        Costs the study one process start; never raises for a tracker's sake. Raises InputError for another
        mode.
        """
        chosen, note = choose_mode(mode) if to.wandb is not None else ("disabled", None)
        if chosen == "disabled":
            to, note = to.without("wandb"), None
        found = to
        notes = [note] if note else []
        for name in to.asked():
            if EXTRAS[name].is_missing:
                notes.append(f"{EXTRAS[name].title}: {EXTRAS[name].words}; the study runs without it")
                found = found.without(name)
        if not found:
            return cls(study_dir, to, chosen, tuple(notes), None)
        try:
            process = _launch(study_dir, found, chosen)
        except OSError as error:
            return cls(study_dir, to, chosen, (f"tracking: its process cannot start: {error}",), None)
        return cls(study_dir, to, chosen, tuple(notes), process)

    def stop(self, timeout_s: float = 10.0) -> str | None:
        """Waits for the mirror to catch up, `timeout_s` seconds at most, then ends it. None where
        everything has arrived, else a sentence that says how to send the rest."""
        if not self._to:
            return None
        process, self._process = self._process, None
        if process is None:
            return f"tracking: nothing was sent; {self._how()}"
        try:
            _say_stop(process)
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return f"tracking: not everything was sent within {timeout_s:g} s; {self._how()}"
        finally:  # an interrupt, too, leaves no process behind
            _kill(process)
        if code:
            return f"tracking: not everything was sent (see {self._study / LOG}); {self._how()}"
        if self._mode == "offline":
            runs = self._study / "wandb" / "offline-run-*"
            return f"wandb: runs were written offline; `wandb sync {runs}` sends them, or {self._how()}"
        return None

    def _how(self) -> str:
        command = ["python", "-m", "orchestrator.tracking", str(self._study), *self._to.words()]
        return f"`{shlex.join(command)}` sends it later"


def _launch(study: Path, to: Destinations, mode: str) -> subprocess.Popen[bytes]:
    """A session of its own: Ctrl-C in the study's terminal does not reach it."""
    # Absolute: a name could mean another study below the folder of runs.
    command = [sys.executable, "-m", "orchestrator.tracking", str(study.absolute()), *to.words()]
    command += [] if to.wandb is None else ["--mode", mode]
    command += ["--follow", "--parent", str(os.getpid())]
    command += ["--trust"]  # its driver has looked at the links in it
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # The caller's own W&B service, in a notebook that uses W&B, would end the mirror's runs with the caller.
    own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    with (study / LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # says when to stop; a signal could come before it is listened to
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"WANDB_ERROR_REPORTING": "false", **own, "PYTHONPATH": path},
        )


def _say_stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # _launch gave it a pipe
    with contextlib.suppress(BrokenPipeError):  # it has ended already
        process.stdin.write(b"stop\n")
        process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its group at once; W&B's own service ends when its owner is gone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
