"""The driver's side: starts the tracking process, and lets it go. Imports no wandb."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from orchestrator.tracking.settings import choose_mode, installed

LOG = "tracking.log"


class Tracker:
    """A tracking process, or the reason why there is none. `notes`: lines worth showing at the start."""

    def __init__(
        self,
        study: Path,
        project: str,
        mode: str,
        notes: tuple[str, ...],
        process: subprocess.Popen[bytes] | None,
    ) -> None:
        self.notes = notes
        self._study = study
        self._project = project
        self._mode = mode
        self._process = process

    @classmethod
    def start(cls, study_dir: Path, project: str, mode: str | None = None) -> Tracker:
        """Starts mirroring a study that is open. mode: online, offline or disabled; by default what
        WANDB_MODE says, else online.

        Costs the study one process start; never raises for W&B's sake. Raises InputError for another mode.
        """
        chosen, note = choose_mode(mode)
        notes = (note,) if note else ()
        if chosen == "disabled":
            return cls(study_dir, project, chosen, (), None)
        if not installed():
            missing = "wandb: it is not installed (pip install 'wandb>=0.21,<1'); the study runs without it"
            return cls(study_dir, project, chosen, (missing,), None)
        try:
            process = _launch(study_dir, project, chosen)
        except OSError as error:
            return cls(study_dir, project, chosen, (f"wandb: its process cannot start: {error}",), None)
        return cls(study_dir, project, chosen, notes, process)

    def stop(self, timeout_s: float = 10.0) -> str | None:
        """Waits for the mirror to catch up, `timeout_s` seconds at most, then ends it. None where
        everything has arrived, else a sentence that says how to send the rest."""
        if self._mode == "disabled":
            return None
        process, self._process = self._process, None
        if process is None:
            return f"wandb: nothing was sent; {self._how()}"
        try:
            _say_stop(process)
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return f"wandb: not everything was sent within {timeout_s:g} s; {self._how()}"
        finally:  # an interrupt, too, leaves no process behind
            _kill(process)
        if code:
            return f"wandb: not everything was sent (see {self._study / LOG}); {self._how()}"
        if self._mode == "offline":
            runs = self._study / "wandb" / "offline-run-*"
            return f"wandb: runs were written offline; `wandb sync {runs}` sends them, or {self._how()}"
        return None

    def _how(self) -> str:
        return f"`python -m orchestrator.tracking {self._study} --project {self._project}` sends it later"


def _launch(study: Path, project: str, mode: str) -> subprocess.Popen[bytes]:
    """A session of its own: Ctrl-C in the study's terminal does not reach it."""
    # Absolute: a name could mean another study below the folder of runs.
    command = [sys.executable, "-m", "orchestrator.tracking", str(study.absolute()), "--project", project]
    command += ["--mode", mode, "--follow", "--parent", str(os.getpid())]
    command += ["--trust"]  # its driver has looked at the links in it
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with (study / LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # says when to stop; a signal could come before it is listened to
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"WANDB_ERROR_REPORTING": "false", **os.environ, "PYTHONPATH": path},
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
