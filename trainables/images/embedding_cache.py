"""What a frozen backbone said of images, kept by what the images hold: computed once on a machine.

A folder of safetensors files, each with the SHA-256 of some image files and their embeddings. So an image has
one embedding under whatever name and in whatever table it comes, and rows that are added later cost what they
cost alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from orchestrator.core.array_files import pack, unpack
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError, WeightsError

Embeddings = NDArray[np.float32]
_SUFFIX = ".safetensors"


class EmbeddingCache:
    """folder: of one backbone with its weights, at one size, by one version of decoding."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def lock(self) -> FileLock:
        """Whoever computes holds it, so that a second process waits and then reads."""
        return FileLock(self._folder / "lock")

    def add(self, digests: Sequence[bytes], embeddings: Embeddings) -> None:
        """digests: SHA-256 of m files; embeddings (m, D). Raises StorageError."""
        keys = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), 32)
        path = self._folder / f"{digests[0].hex()[:16]}-{len(digests)}{_SUFFIX}"
        try:
            with atomic_write(path) as file:
                file.write(pack({"digests": keys, "embeddings": embeddings}, "embeddings"))
        except OSError as error:
            raise StorageError(f"embeddings {path} cannot be written: {error.strerror}") from error

    def fill(self, found: Embeddings, rows: Mapping[bytes, Sequence[int]]) -> set[bytes]:
        """Puts what is known of images into their rows of `found` (n, D); gives the digests it knows.

        Raises StorageError.
        """
        known: set[bytes] = set()
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            digests, embeddings = _read(path)
            for digest, embedding in zip(digests, embeddings, strict=True):
                if digest in rows:
                    found[rows[digest]] = embedding
                    known.add(digest)
        return known


def _read(path: Path) -> tuple[list[bytes], Embeddings]:
    try:
        arrays = unpack(path.read_bytes(), f"embeddings {path}")
        keys, embeddings = arrays["digests"], arrays["embeddings"]
    except (OSError, KeyError, WeightsError) as error:
        raise StorageError(
            f"embeddings {path} cannot be read; delete the file, it is computed again"
        ) from error
    return [key.tobytes() for key in keys], embeddings
