"""What a folder from elsewhere may hold besides files and folders: by symbolic links it could reach other
files, and a FIFO in a file's place would be waited for without end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.regular_files import kind_of_special


@dataclass(frozen=True)
class Strangers:
    """Below a folder, each kind sorted."""

    links: tuple[Path, ...]  # that lead out of it or nowhere
    specials: tuple[Path, ...]  # FIFOs, sockets and devices


def strangers_in(folder: Path) -> Strangers:
    """Nothing is followed to find them."""
    inside, links, specials = without_links(folder), [], []
    for item in _not_files(folder):
        if not item.is_symlink():
            specials.append(Path(item.path))
        elif not _leads_into(inside, Path(item.path)):
            links.append(Path(item.path))
    return Strangers(tuple(sorted(links)), tuple(sorted(specials)))


def stranger_fault(folder: Path, whose: str, trust: bool) -> str:
    """Why a folder is not to be used; "" where nothing in it is strange. whose: such as "study".

    trust: whether links may be followed out of it.
    """
    try:
        found = strangers_in(folder)
    except OSError as error:
        return f"{error.filename} cannot be listed: {error.strerror}; correct its rights"
    if found.specials:
        first = found.specials[0]
        kind = kind_of_special(first.lstat().st_mode)
        return f"{first} is {kind}, not a file, which no {whose} holds; remove it"
    if found.links and not trust:
        return (
            f"{found.links[0]} is a link that leads out of the {whose}; say --trust to follow it, if what it "
            "leads to is yours"
        )
    return ""


def links_out_of(folder: Path) -> list[Path]:
    """Those below `folder`, sorted, that lead out of it or nowhere."""
    return list(strangers_in(folder).links)


def without_links(path: Path) -> Path:
    """Absolute, links followed; a link to itself stays, for the system to refuse."""
    return Path(os.path.realpath(path))


def _not_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    waiting = [folder]
    while waiting:
        for item in _listed(waiting.pop()):
            if item.is_dir(follow_symlinks=False):
                waiting.append(Path(item.path))
            elif not item.is_file(follow_symlinks=False):
                yield item


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
