"""Imported by processes of Ray as they start: imports what they will run. See early_import.py."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from orchestrator.core.code_origin import find_code
from orchestrator.core.errors import InputError
from orchestrator.core.trainable import load_trainable
from orchestrator.execution.on_ray.early_import import TOLD


def _import_told(told: str) -> None:
    trainable, origin, counter, most = json.loads(told)
    if not _may_try(Path(counter), most):
        return
    from orchestrator.execution.on_ray import tune_adapter  # noqa: F401  # what a leg runs in

    code = find_code(trainable.partition(":")[0])
    if code is None or str(code.origin) != origin:
        return  # the driver's own folders come first only later, with a task: the name may mean another file
    # As Ray sets it for a task or an actor of one CPU, too late for a library that is imported by then.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with contextlib.suppress(InputError):  # told by the process that is asked for the parameters
        load_trainable(trainable)


def _may_try(counter: Path, most: int) -> bool:
    """Whether this process is one of the first that came here: each adds a byte.

    One that cannot be counted may not, for an error or a bad import would end it, and another would follow
    without end.
    """
    try:
        with counter.open("ab", buffering=0) as file:
            file.write(b".")
            return file.tell() <= most
    except OSError:
        return False


if TOLD in os.environ:
    _import_told(os.environ.pop(TOLD))  # what this process starts is told nothing
