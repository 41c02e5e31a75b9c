"""How many fold runs shared a GPU in a study, kept beside it for who asks later."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError
from orchestrator.execution.packing import Packing
from orchestrator.study.study import Study


def record_packings(study: Study, packings: Mapping[str, Packing]) -> None:
    """packings: by type of GPU, as chosen now; what was chosen before for other types stays.

    Raises StorageError.
    """
    if not packings:
        return
    now = round(time.time(), 3)
    chosen = {
        name: {"fold_runs_per_gpu": packing.per_gpu, "reason": packing.reason, "time": now}
        for name, packing in packings.items()
    }
    try:
        with atomic_write(study.files.packing) as file:
            file.write(json.dumps({**_known(study), **chosen}, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise StorageError(f"{study.files.packing} cannot be written: {error.strerror}") from error


def _known(study: Study) -> dict[str, object]:
    try:
        found = json.loads(study.files.packing.read_bytes())
    except (OSError, ValueError):  # none yet, or one that says nothing to anybody
        return {}
    return found if isinstance(found, dict) else {}
