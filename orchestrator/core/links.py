"""Symbolic links that lead out of a folder: by them one from elsewhere could reach other files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def links_out_of(folder: Path) -> list[Path]:
    """Those below `folder`, sorted, that lead out of it or nowhere; nothing is followed to find them."""
    inside = folder.resolve()
    return sorted(link for link in _links(folder) if not _leads_into(inside, link))


def _links(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        for item in _listed(waiting.pop()):
            if item.is_symlink():
                yield Path(item.path)
            elif item.is_dir(follow_symlinks=False):
                waiting.append(Path(item.path))


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):  # deleted since by who drives the study
        return []


def _leads_into(folder: Path, link: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # it leads to itself
        return False
