"""Paths of a table that are taken by the word."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import composed
from orchestrator.data.importers.listing import names_in, refuse_specials


@dataclass(frozen=True)
class AsWritten:
    """Where the images of a table would lie."""

    root: Path
    paths: list[str]  # (n,) relative to the root; as the disk writes them if all are there
    present: int  # of so many the file is there

    @property
    def all_there(self) -> bool:
        return self.present == len(self.paths)

    @property
    def some_there(self) -> bool:
        """Paths with folders, some of them there: they are meant as written, and the others are missing."""
        return self.present > 0 and any("/" in path for path in self.paths)


def as_written(cells: Sequence[str], source: Path, folder: Path, data_root: Path | None) -> AsWritten:
    """folder: where relative paths start; data_root: what takes its place, and that of absolute ones.

    Raises ManifestError for absolute and relative ones in one table.
    """
    texts = [cell.replace("\\", "/") for cell in cells]
    absolute = [path for path in texts if posixpath.isabs(path)]
    if absolute and len(absolute) < len(texts):
        raise ManifestError(
            f"{source}: {len(absolute)} of {len(texts)} paths are absolute ({absolute[0]}); "
            f"make all of them absolute or all relative to {folder}"
        )
    paths = [posixpath.normpath(path) for path in texts]
    if absolute:
        folder = Path(posixpath.commonpath([posixpath.dirname(path) for path in texts]))
        paths = [posixpath.relpath(path, folder) for path in texts]
    root = data_root or folder
    there = [path for path in _present(source, root, paths) if path is not None]
    return AsWritten(root, there if len(there) == len(paths) else paths, len(there))


def _present(source: Path, root: Path, paths: Sequence[str]) -> list[str | None]:
    """The paths as the disk writes them, None for those that are not there.

    One listing per folder: a call per file would take minutes on a network drive.
    """
    folders: defaultdict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        folders[posixpath.dirname(path)].append(row)
    found: list[str | None] = [None] * len(paths)
    for folder, rows in folders.items():
        present = names_in(root / folder)
        refuse_specials(source, folder, (posixpath.basename(paths[row]) for row in rows), present)
        names, alike = present.files, {composed(name): name for name in present.files}
        for row in rows:
            name = posixpath.basename(paths[row])
            own = name if name in names else alike.get(composed(name))
            found[row] = None if own is None else posixpath.join(folder, own)
    return found
