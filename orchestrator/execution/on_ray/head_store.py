"""Checkpoints of servers that share nothing: carried through Ray's object store to the driver's own disk.

An actor on the driver's node writes what workers hand it. Bytes travel as an array: one copy into the
worker's object store, none on the driver's node, where the file is written from shared memory. Each file is
whole or absent, as in DirectoryStore, which does the writing. The actor ends with the driver.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.core.errors import StorageError
from orchestrator.storage import DirectoryStore, probe, with_short_timeouts
from orchestrator.storage.contract import CheckpointStore

THREADS = 16
"""Files written at a time: a slow one holds up no others."""

Bytes = NDArray[np.uint8]


@ray.remote(num_cpus=0, max_concurrency=THREADS, max_restarts=10, max_task_retries=10)
class _StoreActor:
    """Does on the driver's node what its clients ask. A repeated request does no harm."""

    def __init__(self, root: Path, umask: int) -> None:
        """umask: the driver's, so that a private study's files are private."""
        os.umask(umask)
        self._store = DirectoryStore(root)

    def put(self, name: str, data: Bytes) -> None:
        self._store.put(name, data.data)

    def get(self, name: str) -> Bytes:
        return np.frombuffer(self._store.get(name), np.uint8)

    def names(self, prefix: str) -> list[str]:
        return self._store.names(prefix)

    def delete(self, name: str) -> None:
        self._store.delete(name)


class HeadStore:
    """What a worker has of the directory on the driver's node; a worker of that node uses it directly."""

    def __init__(self, keeper: Any, root: Path, node: str, host: str) -> None:
        """keeper: a `_Keeper` on `node` (Ray's id of it), whose host name is `host`."""
        self._keeper, self._root, self._node, self._host = keeper, root, node, host

    def __reduce__(self) -> tuple[Any, ...]:
        return HeadStore, (self._keeper, self._root, self._node, self._host)

    def __str__(self) -> str:
        return f"{self._host}:{self._root}"

    def put(self, name: str, data: bytes) -> None:
        """Returns when it is on the driver's disk. Raises StorageError."""
        if self._here is not None:
            self._here.put(name, data)
            return
        self._ask(f"{name} ({len(data)} bytes)", lambda: self._keeper.put.remote(name, _array(data)))

    def get(self, name: str) -> bytes:
        """Raises KeyError, StorageError."""
        if self._here is not None:
            return self._here.get(name)
        data: bytes = self._ask(name, lambda: self._keeper.get.remote(name)).tobytes()
        return data

    def names(self, prefix: str = "") -> list[str]:
        if self._here is not None:
            return self._here.names(prefix)
        names: list[str] = self._ask(f"names of {prefix}", lambda: self._keeper.names.remote(prefix))
        return names

    def delete(self, name: str) -> None:
        if self._here is not None:
            self._here.delete(name)
            return
        self._ask(name, lambda: self._keeper.delete.remote(name))

    @cached_property
    def _here(self) -> DirectoryStore | None:
        """None: this is another node."""
        return DirectoryStore(self._root) if ray.get_runtime_context().get_node_id() == self._node else None

    def _ask(self, what: str, request: Callable[[], Any]) -> Any:
        """The keeper's answer; what the store there raised is raised here."""
        try:
            return ray.get(request())
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, StorageError | KeyError | ValueError):
                raise cause from None
            reason = f"{type(cause).__name__}: {cause}"
        except RayError as error:  # the keeper or its node is gone, or an object store is full
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise StorageError(
            f"{self} does not take or give {what} ({reason}); see that the driver's server is well, then "
            "continue with --resume"
        )


def _array(data: bytes) -> Bytes:
    return np.frombuffer(data, np.uint8)


def share(store: CheckpointStore) -> CheckpointStore:
    """What workers get of the driver's store: of a directory that is the driver's alone, a HeadStore.

    Called in the driver, connected to a cluster. The actor lives as long as someone holds what is returned.
    """
    if not isinstance(store, DirectoryStore) or store.mounted:
        return store
    node = ray.get_runtime_context().get_node_id()
    pinned = NodeAffinitySchedulingStrategy(node, soft=False)
    root = store.root.absolute()
    keeper = _StoreActor.options(scheduling_strategy=pinned).remote(root, _umask())  # type: ignore[attr-defined]
    return HeadStore(keeper, root, node, platform.node())


def _umask() -> int:
    """Of this process; it can only be asked for by setting it."""
    now = os.umask(0o077)
    os.umask(now)
    return now


def check_reachable(store: CheckpointStore, host_is: str) -> None:
    """Writes, reads, deletes a file on the node that calls it. Raises StorageError that names `host_is`."""
    try:
        probe(with_short_timeouts(store))
    except StorageError as error:
        raise StorageError(f"server {host_is}: {error}") from error
