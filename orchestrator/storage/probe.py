"""Whether a store can be used from here: one file written, read back and deleted."""

from __future__ import annotations

import uuid

from orchestrator.core.errors import StorageError
from orchestrator.storage.contract import CheckpointStore

PROBE = "probe-"
"""How the names of files begin that are only written to see whether one can."""


def probe(store: CheckpointStore) -> None:
    """Leaves nothing. Raises StorageError naming the location."""
    name = f"{PROBE}{uuid.uuid4().hex}"  # of its own: many servers ask at once
    store.names(f"{name}/")  # where nobody answers, a question fails sooner than a write
    store.put(name, name.encode())
    try:
        try:
            found = store.get(name)
        except KeyError:
            found = b""
        if found != name.encode():
            raise StorageError(f"{store} does not give back what was just written; name another location")
    finally:
        store.delete(name)
