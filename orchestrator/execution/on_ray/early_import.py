"""The trainable's libraries, imported by the processes that a Ray of our own starts with, before any leg.

Ray starts as many processes as there are CPUs and gives a task or an actor whichever is idle. They import
while rows are read and checked, where each will run a fold run anyway: on CPUs, one for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.code_origin import find_code
from orchestrator.execution.on_ray.node_memory import MARKER
from orchestrator.execution.on_ray.slots import ResourceRequest
from orchestrator.execution.worker_environment import in_environment
from orchestrator.machine.memory import read_memory

WORKER_MODULE = "orchestrator.execution.on_ray.imported_early"
TOLD = "ORCHESTRATOR_IMPORT_EARLY"
"""Environment variable of the processes: a JSON list of the trainable, its file, one that counts them, how
many."""
_PRELOAD = "RAY_preload_python_modules"
MOST = 16
"""CPUs that count, however many there are: a small study has no legs for more processes at once."""
EACH_BYTES = 2 * 2**30
"""Of the machine's memory that must be free for each of them."""


def is_worth_it(request: ResourceRequest, has_gpus: bool, cpus: int, room: int | None) -> bool:
    """Whether each process will run fold runs, which need what it imports. room: bytes; None: not known."""
    one_each = request.cpus in (None, 1) and not request.gpus and not any(request.by_type.values())
    return one_each and not has_gpus and (room is None or room >= cpus * EACH_BYTES)


@contextlib.contextmanager
def importing_early(trainable: str, request: ResourceRequest, folder: Path) -> Iterator[None]:
    """For the Ray that is started meanwhile. folder: of that Ray alone."""
    cpus, reading = os.cpu_count() or 1, read_memory(os.getpid(), MARKER)
    room = None if reading is None else reading.room
    if not is_worth_it(request, shutil.which("nvidia-smi") is not None, cpus, room):
        yield
        return
    code = find_code(trainable.partition(":")[0])
    origin = None if code is None else str(code.origin)  # the file that may be imported, and no namesake
    # Twice: one that dies of the import is replaced, and in the end by one that does not try it.
    told = json.dumps([trainable, origin, str(folder / "imported_early"), 2 * min(cpus, MOST)])
    preloaded = ",".join([*filter(None, [os.environ.get(_PRELOAD)]), WORKER_MODULE])
    with in_environment({TOLD: told, _PRELOAD: preloaded}):
        yield
