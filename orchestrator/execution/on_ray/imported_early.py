"""Imported by processes of Ray as they start: imports what they will run. See early_import.py."""

from __future__ import annotations

import contextlib
import json
import os

from orchestrator.core.errors import InputError
from orchestrator.core.trainable import load_trainable
from orchestrator.execution.on_ray import tune_adapter  # noqa: F401  # what a leg runs in
from orchestrator.execution.on_ray.early_import import TOLD


def _import_told(told: str) -> None:
    trainable, counter, most = json.loads(told)
    if _number(counter) > most:
        return
    # As Ray sets it for a task or an actor of one CPU, too late for a library that is imported by then.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with contextlib.suppress(InputError):  # told by the process that is asked for the parameters
        load_trainable(trainable)


def _number(counter: str) -> int:
    """Of this process among those that came here: each adds a byte."""
    file = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)


if TOLD in os.environ:
    _import_told(os.environ[TOLD])
