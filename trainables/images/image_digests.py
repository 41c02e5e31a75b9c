"""What an image store was made of: tells images that were changed in place from copies of the same ones."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.callbacks import Progress
from orchestrator.core.cpu import cores
from orchestrator.core.dataset import Dataset
from orchestrator.core.file_digest import sha256_of_file
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file
from trainables.images.image_facts import ImageFacts

REMEMBERED = 32  # sets of sizes and times known to stand for the same contents
_REPORTED = 64  # files between reports


def known_of(path: Path, state: Path) -> dict[str, Any]:
    """What the store there was made of. files: digests of sizes and times that stood for these contents."""
    nothing: dict[str, Any] = {"files": [], "contents": None}
    if not (_is_array(path) and state.exists()):
        return nothing
    try:
        found = parse_json(read_file(state))
        facts = ImageFacts.from_json(found["facts"])
        is_known = (
            isinstance(found["files"], list) and isinstance(found["contents"], str) and facts.images > 0
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return nothing  # an older version kept less, a damaged file says nothing
    return found if is_known else nothing


def _is_array(path: Path) -> bool:
    """Whether it is there as long as its header says."""
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return True


def files_digest(dataset: Dataset) -> str:
    """Of the size and time of every image file; a missing one counts as such."""
    digest = hashlib.sha256()
    root = Path(dataset.root)
    for path in dataset.paths:
        try:
            stat = (root / path).stat()
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(b"missing\n")
    return digest.hexdigest()


def contents_digest(dataset: Dataset, progress: Progress | None) -> str:
    """Of every image file's bytes. It recognises a copy of the images with other times, on another machine
    or restored, for a small part of what decoding takes."""
    root, total = Path(dataset.root), len(dataset.paths)
    found = []
    with ThreadPoolExecutor(cores()) as pool:
        for digest in pool.map(lambda path: file_digest(root / path), dataset.paths):
            found.append(digest)
            if progress is not None and len(found) % _REPORTED == 0:
                progress(len(found), total)
    return joined(found)


def file_digest(path: Path) -> bytes:
    """Empty for a file that is missing."""
    try:
        return sha256_of_file(path)
    except OSError:
        return b""


def joined(digests: Iterable[bytes]) -> str:
    """One digest (hex) of those of all files, in the order of the rows."""
    return hashlib.sha256(b"|".join(digests)).hexdigest()


def part_of(path: Path) -> Path:
    """Beside it, of this process alone, also where machines share the folder."""
    return path.with_suffix(f".{platform.node()}-{os.getpid()}.part")


def write_text(path: Path, text: str) -> None:
    part = part_of(path)
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
