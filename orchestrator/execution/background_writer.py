"""One thread that writes what an epoch left behind, so that a slow disk need not keep the training waiting.

An epoch trained while the one before is written is lost if the race stops the fold run just then. So the
worker goes ahead only where writing takes more than SLOW of the training: on a local disk it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from orchestrator.core.file_digest import digest_of
from orchestrator.storage.contract import CheckpointStore

Files = tuple[tuple[str, bytes], ...]
"""Names and contents, in the order they have to be written."""

Digests = Mapping[str, str]
"""Name -> SHA-256 of what was written."""

SLOW = 0.05  # of an epoch's training


class Writer:
    """Writes the files of one epoch at a time."""

    def __init__(self, store: CheckpointStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: Future[Digests] | None = None
        self._took: dict[bool, float] = {}  # with a resume state or without -> seconds of the last time
        self._expected = 0.0  # seconds of what is being written

    def begin(self, files: Files, then: Callable[[], None], has_state: bool = True) -> None:
        """Returns at once; `then` is called on the thread when all of them are stored.

        has_state: whether the resume state is among them, by far the largest of an epoch's files.
        """
        assert self._writing is None  # `wait` comes between two epochs
        self._expected = self._took.get(has_state, 0.0)
        self._writing = self._pool.submit(self._write, files, then, has_state)

    def forget(self) -> None:
        """Another fold run begins, whose files may be of other sizes."""
        self._took.clear()

    def wait(self) -> Digests:
        """What was written, when all that was begun is stored. Raises what the store raised."""
        writing = self._writing
        written = {} if writing is None else writing.result()
        self._writing = None
        return written

    def drain(self) -> None:
        """Returns when nothing is being written, whatever came of it."""
        if self._writing is not None:
            wait([self._writing])
            self._writing = None

    def is_slow_beside(self, training_s: float) -> bool:
        """Whether to train the next epoch while this one is written, by how long it took the last time."""
        return self._expected > SLOW * training_s

    def _write(self, files: Files, then: Callable[[], None], has_state: bool) -> Digests:
        started = self._clock()
        for name, data in files:
            self._store.put(name, data)
        then()
        digests = {name: digest_of(data) for name, data in files}
        self._took[has_state] = self._clock() - started
        return digests
