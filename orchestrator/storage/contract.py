"""What every store of checkpoints can do. A new kind is one file and a line in location.py's table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.core.errors import StorageError
from orchestrator.core.text import counted

MOST_FAULTS = 3
"""Names that cannot be deleted before the others are not tried: where nobody answers, each takes a minute."""


class CheckpointStore(ABC):
    """Takes bytes under a name such as `t0003-f1/resume-e0005.pt` and returns them.

    A store travels to workers: it can be pickled, and many threads and processes may use it at once.
    `str(store)` is the location that opens it again, as a study's record keeps it; it holds no secret.

    Four methods make a store. The rest have an answer that is right for object storage.
    """

    @abstractmethod
    def put(self, name: str, data: bytes | memoryview) -> None:
        """Whole or not at all, and kept when this returns. A memoryview is of bytes. Raises StorageError."""

    @abstractmethod
    def get(self, name: str) -> bytes:
        """Raises KeyError when there is no such name, StorageError when the location cannot be asked."""

    @abstractmethod
    def names(self, prefix: str = "") -> list[str]:
        """Sorted; nothing that is half-written. Raises StorageError."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """No error when it is already gone. Raises StorageError."""

    def delete_many(self, names: Sequence[str]) -> None:
        """All of them, in as few requests as the store can; no error for those that are gone already.

        What can go goes, whatever becomes of the others. Raises StorageError that says it of each name.
        """
        faults: dict[str, str] = {}
        for tried, name in enumerate(names, start=1):
            try:
                self.delete(name)
            except StorageError as error:
                faults[name] = str(error)
            if len(faults) == MOST_FAULTS:
                raise not_deleted(faults, len(names), len(names) - tried)
        if faults:
            raise not_deleted(faults, len(names))

    @property
    def is_local_to_driver(self) -> bool:
        """Whether the files are on a disk of the driver's node alone, so that Ray has to carry them there."""
        return False

    def file_of(self, name: str) -> Path | None:
        """Where the bytes of that name lie as a file of this machine, which nobody writes into: it is only
        ever replaced as a whole. None where the store keeps no such files, or this machine cannot see it."""
        return None

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that its files fill; None where they lie on no disk of this machine."""
        return None

    def with_short_timeouts(self) -> CheckpointStore:
        """The same store, giving up within seconds where nobody answers: to ask whether it can be used."""
        return self

    def at_existing_folder(self) -> CheckpointStore:
        """A store at the nearest folder above that exists, so that a trial write makes no folder."""
        return self

    def remove_partial_files(self) -> None:  # noqa: B027  where writes are whole there are none
        """Removes what killed processes left half-written; only for who knows that nobody is writing."""

    def remove_if_empty(self) -> None:  # noqa: B027  object storage has no folders
        """Removes the folder of the store if nothing lies in it."""


def not_deleted(faults: Mapping[str, str], names: int, untried: int = 0) -> StorageError:
    """The error of a batch. faults: name -> what is wrong with deleting it; names: of the batch."""
    named = list(faults.values())[:MOST_FAULTS]
    if names == 1:
        return StorageError(named[0])
    left = f"; {counted(untried, 'other')} not tried" if untried else ""
    return StorageError(f"{len(faults)} of {names} files were not deleted: {'; '.join(named)}{left}")
