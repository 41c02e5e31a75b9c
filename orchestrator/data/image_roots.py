"""Whether a folder holds the images of a dataset."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import ManifestError

DATA_ROOT = "FOLD_ORCHESTRATOR_DATA_ROOT"
"""Environment variable of one machine: the folder below which its images lie, as the manifest lists them."""


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def has_images(root: Path, paths: Sequence[str], sizes: NDArray[np.int64] | None = None) -> bool:
    """Whether images lie there, of these sizes (n,) in bytes where they are known: other images may have the
    same names. A few of them tell; all are looked at by `check_images`."""
    files = {row: root / paths[row] for row in _probed(paths)}
    found = {row: file.stat().st_size for row, file in files.items() if file.is_file()}
    return bool(found) and (sizes is None or all(size == sizes[row] for row, size in found.items()))


def refuse_other_root(root: Path, paths: Sequence[str], sizes: NDArray[np.int64] | None = None) -> None:
    """Raises ManifestError for a --data-root that would be passed over on the driver's machine."""
    if has_images(root, paths, sizes):
        return
    sought = ", ".join(paths[row] for row in _probed(paths))
    wrong = "does not hold these images" if root.is_dir() else "is no folder here"
    raise ManifestError(
        f"--data-root {root} {wrong} (looked for {sought}); correct it, or leave it out and, on servers that "
        f"keep the images elsewhere, set {DATA_ROOT}"
    )


def folder_identity(folder: Path) -> str:
    """Of a folder that exists, on a machine that runs: no other has the same, wherever it is mounted."""
    try:
        machine = _BOOT_ID.read_text().strip()
    except OSError:  # not Linux
        machine = f"{platform.node()}-{uuid.getnode():x}"
    found = folder.stat()
    return f"{machine}:{found.st_dev}:{found.st_ino}"


def _probed(paths: Sequence[str]) -> list[int]:
    """Rows, in order; of those below the root, unless all lie beside it."""
    rows = [row for row, path in enumerate(paths) if not is_beside(path)] or list(range(len(paths)))
    # The first, the middle, the last: a set that was copied in part lacks its end.
    return sorted({rows[0], rows[len(rows) // 2], rows[-1]})


def is_beside(path: str) -> bool:
    """Rows of other sources may lie beside the root."""
    return path.startswith("../")
