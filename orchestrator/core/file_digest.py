"""What a file is known by."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256_of_file(path: Path | str) -> bytes:
    """SHA-256 of its contents, read piece by piece. Raises OSError."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
