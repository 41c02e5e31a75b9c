"""Checkpoints of servers that share nothing: carried through Ray's object store to the driver's own disk.

An actor on the driver's node writes what workers hand it. Bytes travel as an array: one copy into the
worker's object store, none on the driver's node, where the file is written from shared memory. Each file is
whole or absent, as in the store that does the writing there. The actor ends with the driver.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.core.errors import StorageError
from orchestrator.core.text import counted
from orchestrator.storage import probe
from orchestrator.storage.contract import CheckpointStore

THREADS = 16
"""Files written at a time: a slow one holds up no others."""

Bytes = NDArray[np.uint8]


@ray.remote(num_cpus=0, max_concurrency=THREADS, max_restarts=10, max_task_retries=10)
class _StoreActor:
    """Does on the driver's node what its clients ask. A repeated request does no harm."""

    def __init__(self, store: CheckpointStore, umask: int) -> None:
        """umask: the driver's, so that a private study's files are private."""
        os.umask(umask)
        self._store = store

    def put(self, name: str, data: Bytes) -> None:
        self._store.put(name, data.data)

    def get(self, name: str) -> Bytes:
        return np.frombuffer(self._store.get(name), np.uint8)

    def names(self, prefix: str) -> list[str]:
        return self._store.names(prefix)

    def delete(self, name: str) -> None:
        self._store.delete(name)

    def delete_many(self, names: Sequence[str]) -> None:
        self._store.delete_many(names)

    def remove_partial_files(self) -> None:
        self._store.remove_partial_files()

    def remove_if_empty(self) -> None:
        self._store.remove_if_empty()


class HeadStore(CheckpointStore):
    """What a worker has of the store on the driver's node; a worker of that node uses it directly.

    Its `str` is for messages: no location opens it.
    """

    def __init__(self, actor: Any, store: CheckpointStore, node: str, host: str) -> None:
        """actor: a `_StoreActor` for `store` on `node` (Ray's id of it), whose host name is `host`."""
        self._actor, self._store, self._node, self._host = actor, store, node, host

    def __reduce__(self) -> tuple[Any, ...]:
        return HeadStore, (self._actor, self._store, self._node, self._host)

    def __str__(self) -> str:
        return f"{self._host}:{self._store}"

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Returns when it is on the driver's disk. Raises StorageError."""
        if self._here is not None:
            self._here.put(name, data)
            return
        self._ask(f"{name} ({len(data)} bytes)", lambda: self._actor.put.remote(name, _array(data)))

    def get(self, name: str) -> bytes:
        """Raises KeyError, StorageError."""
        if self._here is not None:
            return self._here.get(name)
        data: bytes = self._ask(name, lambda: self._actor.get.remote(name)).tobytes()
        return data

    def names(self, prefix: str = "") -> list[str]:
        if self._here is not None:
            return self._here.names(prefix)
        names: list[str] = self._ask(f"names of {prefix}", lambda: self._actor.names.remote(prefix))
        return names

    def delete(self, name: str) -> None:
        if self._here is not None:
            self._here.delete(name)
            return
        self._ask(name, lambda: self._actor.delete.remote(name))

    def delete_many(self, names: Sequence[str]) -> None:
        if self._here is not None:
            self._here.delete_many(names)
        elif names:
            self._ask(counted(len(names), "file"), lambda: self._actor.delete_many.remote(list(names)))

    def remove_partial_files(self) -> None:
        if self._here is not None:
            self._here.remove_partial_files()
            return
        self._ask("partial files", lambda: self._actor.remove_partial_files.remote())

    def remove_if_empty(self) -> None:
        if self._here is not None:
            self._here.remove_if_empty()
            return
        self._ask("its folder", lambda: self._actor.remove_if_empty.remote())

    @cached_property
    def _here(self) -> CheckpointStore | None:
        """The store itself, if this is its node; None on another."""
        return self._store if ray.get_runtime_context().get_node_id() == self._node else None

    def _ask(self, what: str, request: Callable[[], Any]) -> Any:
        """The actor's answer; what the store there raised is raised here."""
        try:
            return ray.get(request())
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, StorageError | KeyError | ValueError):
                raise cause from None
            reason = f"{type(cause).__name__}: {cause}"
        except RayError as error:  # the actor or its node is gone, or an object store is full
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise StorageError(
            f"{self} does not take or give {what} ({reason}); see that the driver's server is well, then "
            "continue with --resume"
        )


def _array(data: bytes | memoryview) -> Bytes:
    return np.frombuffer(data, np.uint8)


def store_for_workers(store: CheckpointStore) -> CheckpointStore:
    """What workers get of the driver's store: a HeadStore where its files are the driver's alone.

    Called in the driver, connected to a cluster. The actor lives as long as someone holds what is returned.
    """
    if not store.is_local_to_driver:
        return store
    node = ray.get_runtime_context().get_node_id()
    pinned = NodeAffinitySchedulingStrategy(node, soft=False)
    actor = _StoreActor.options(scheduling_strategy=pinned).remote(store, _umask())  # type: ignore[attr-defined]
    return HeadStore(actor, store, node, platform.node())


def _umask() -> int:
    """The umask of this process, which can only be read by setting it."""
    now = os.umask(0o077)
    os.umask(now)
    return now


def check_reachable(store: CheckpointStore, host: str) -> None:
    """Writes, reads, deletes a file on the node that calls it. Raises StorageError that names `host`."""
    try:
        probe(store.with_short_timeouts())
    except StorageError as error:
        raise StorageError(f"server {host}: {error}") from error
