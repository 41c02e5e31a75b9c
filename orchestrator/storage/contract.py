"""What every store of checkpoints can do."""

from __future__ import annotations

from typing import Protocol


class CheckpointStore(Protocol):
    """Takes bytes under a name such as `t0003-f1/resume-e0005.pt` and returns them. Picklable."""

    def put(self, name: str, data: bytes) -> None:
        """Whole or not at all. Raises StorageError."""
        ...

    def get(self, name: str) -> bytes:
        """Raises KeyError when there is no such name."""
        ...

    def names(self, prefix: str = "") -> list[str]: ...

    def delete(self, name: str) -> None:
        """No error when it is already gone."""
        ...
