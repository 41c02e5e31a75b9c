"""What a file is known by."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from orchestrator.core.regular_files import open_file

_BLOCK, _BLOCKS = 2**14, 4  # bytes, and how many such blocks tell a large file


def digest_of(data: bytes | memoryview) -> str:
    """SHA-256, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def is_as_stored(data: bytes, digest: str) -> bool:
    """Whether the bytes have this SHA-256; so do all where none was kept, "", as until version 0.2."""
    return digest in ("", digest_of(data))


def sha256_of_file(path: Path | str) -> bytes:
    """SHA-256 of its contents, read piece by piece. Raises OSError."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


def sampled_sha256(path: Path | str) -> bytes:
    """SHA-256 of its size and its contents; of a file above 64 KiB of four blocks from its first to its last
    byte, which are quickly read of many files and differ between two images. Raises OSError."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        if size <= _BLOCK * _BLOCKS:
            digest.update(file.read())
            return digest.digest()
        for number in range(_BLOCKS):
            file.seek(number * (size - _BLOCK) // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
        return digest.digest()
