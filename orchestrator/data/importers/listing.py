"""What lies in a folder: one walk of its tree, with links followed, that every importer reads."""

from __future__ import annotations

import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from orchestrator.core.code_origin import RECORDS
from orchestrator.core.errors import ManifestError
from orchestrator.core.regular_files import kind_of_special
from orchestrator.core.text import composed, counted, shortened
from orchestrator.data.image_names import is_image

CONTAINERS = frozenset(
    ("images", "image", "imgs", "img", "photos", "pictures", "data", "files", "jpg", "jpeg", "png")
)
"""Names of folders, in lower case, that say nothing of the images in them."""
FOLDER = "folder"
"""The column of the whole way down to an image, where classes have folders of their own."""
MOST = 5_000_000
"""Entries of a tree: a larger one is somebody's whole disk, named by mistake."""
_SYSTEM = frozenset(("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"))


@dataclass(frozen=True)
class Listing:
    """The images of a tree, and what else lies in it; paths are posix and relative to `root`."""

    root: Path
    images: tuple[str, ...]  # sorted; a file that links lead to has a path for each
    hidden: int = 0  # files and folders of the system, or with a name that begins with a dot
    others: tuple[str, ...] = ()  # files that are no images by their suffix
    broken: tuple[str, ...] = ()  # links that lead nowhere
    specials: tuple[str, ...] = ()  # FIFOs, sockets and devices
    loops: tuple[str, ...] = ()  # links to a folder that they lie in, or to themselves
    linked: dict[str, str] = field(default_factory=dict)  # image reached by a link -> the file that it is

    @cached_property
    def by_folder(self) -> dict[str, list[str]]:
        """Folder ("" for the root) -> the names of its images, in order; only folders that have some."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.images:
            folder, name = posixpath.split(path)
            found[folder].append(name)
        return dict(found)

    @cached_property
    def tops(self) -> tuple[str, ...]:
        """Names of the root's folders below which there are images, in order."""
        return tuple(sorted({path.split("/", 1)[0] for path in self.images if "/" in path}))

    @property
    def is_empty(self) -> bool:
        """Whether the tree holds nothing but folders."""
        return not (self.images or self.hidden or self.others or self.broken or self.specials or self.loops)

    def below(self, folder: str) -> tuple[str, ...]:
        """The images at any depth below a folder."""
        return tuple(path for path in self.images if path.startswith(f"{folder}/"))

    def real(self, path: str) -> str:
        """The file that an image is, whatever links lead to it."""
        return self.linked.get(path) or f"{self._real_root}/{path}"

    def notes(self) -> tuple[str, ...]:
        """What was left out, each kind counted in a line."""
        found = (
            (self.hidden, f"{counted(self.hidden, 'hidden file or folder', 'hidden files and folders')}"),
            (
                len(self.others),
                f"{counted(len(self.others), 'file that is no image', 'files that are no images')}"
                f"{_kinds(self.others)}",
            ),
            (len(self.broken), f"{counted(len(self.broken), 'link')} to nothing: {shortened(self.broken)}"),
            (
                len(self.specials),
                f"{counted(len(self.specials), 'FIFO, socket or device', 'FIFOs, sockets or devices')}: "
                f"{shortened(self.specials)}",
            ),
            (
                len(self.loops),
                f"{counted(len(self.loops), 'link')} to a folder around it: {shortened(self.loops)}",
            ),
        )
        return tuple(f"{self.root}: left out {text}" for number, text in found if number)

    def once(self, rows: Mapping[str, Mapping[str, object]]) -> tuple[list[str], list[str]]:
        """The paths of the rows, each file once under its own name, and those that were left out.

        rows: path -> what is said of it, by column. Raises ManifestError for one file of which its paths say
        different things; where it lies (FOLDER) may differ.
        """
        first: dict[str, str] = {}
        again: list[str] = []
        for path in sorted(rows, key=lambda path: path in self.linked):  # stable: links come last
            kept = first.setdefault(self.real(path), path)
            if kept == path:
                continue
            again.append(path)
            differs = [name for name in rows[path] if name != FOLDER and rows[path][name] != rows[kept][name]]
            if differs:
                raise ManifestError(
                    f"{self.root}: {kept} and {path} are the same file, so one image has {differs[0]} "
                    f"{rows[kept][differs[0]]!r} and {rows[path][differs[0]]!r}; remove one of the links"
                )
        return sorted(first.values()), again

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root).rstrip("/")


def list_tree(root: Path) -> Listing:
    """Every image below a folder, in one walk. Raises ManifestError for a folder that cannot be read."""
    walk = _Walk(root)
    walk.folder("", walk.real_root, frozenset())
    return Listing(
        root, tuple(sorted(walk.images)), walk.hidden, tuple(sorted(walk.others)), tuple(sorted(walk.broken)),
        tuple(sorted(walk.specials)), tuple(sorted(walk.loops)), walk.linked,
    )  # fmt: skip


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM


def code_points(text: str) -> str:
    """The characters that are not ASCII, as a reader can tell them apart: "é (U+0065 U+0301)"."""
    return " ".join(f"U+{ord(letter):04X}" for letter in text if not letter.isascii())


def images_in(folder: Path) -> list[str]:
    """Sorted names of the images that lie directly in a folder. Raises OSError."""
    with os.scandir(folder) as found:
        names = [entry.name for entry in found if not is_hidden(entry.name) and entry.is_file()]
    return sorted(filter(is_image, names))


@dataclass(frozen=True)
class Names:
    """Of what lies directly in a folder."""

    files: frozenset[str] = frozenset()  # and folders, and links that lead nowhere
    specials: frozenset[str] = frozenset()  # FIFOs, sockets and devices


def names_in(folder: Path) -> Names:
    """Nothing for a folder that cannot be listed."""
    try:
        with os.scandir(folder) as found:
            special = {entry.name: _is_special(entry) for entry in found}
    except OSError:
        return Names()
    specials = frozenset(name for name, is_special in special.items() if is_special)
    return Names(frozenset(special.keys() - specials), specials)


def refuse_specials(source: Path, folder: str, names: Iterable[str], present: Names) -> None:
    """Raises ManifestError for images that nobody could read to their end."""
    none = [posixpath.join(folder, name) for name in names if name in present.specials]
    if none:
        raise ManifestError(
            f"{source}: {counted(len(none), 'image')} {'is' if len(none) == 1 else 'are'} no file, but a "
            f"FIFO, a socket or a device: {shortened(none)}; take the rows out"
        )


def _is_special(entry: os.DirEntry[str]) -> bool:
    """The system is asked about links alone: a call per file would take minutes on a network drive."""
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return False
    try:
        return bool(kind_of_special(entry.stat().st_mode))
    except OSError:  # a link that leads nowhere: whoever reads it says so
        return False


def entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What lies directly in a folder. Raises ManifestError."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError as error:
        raise ManifestError(f"{folder} cannot be listed: {error.strerror}; correct its rights") from None


class _Walk:
    def __init__(self, root: Path) -> None:
        self.root, self.seen, self.hidden = root, 0, 0
        self.real_root = os.path.realpath(root).rstrip("/")
        self.images: list[str] = []
        self.others: list[str] = []
        self.broken: list[str] = []
        self.specials: list[str] = []
        self.loops: list[str] = []
        self.linked: dict[str, str] = {}

    def folder(self, name: str, real: str, around: frozenset[str]) -> None:
        """name: relative to the root; real: without links; around: the real folders that it lies in."""
        around = around | {real}
        found = sorted(entries(self.root / name), key=lambda item: item.name)
        if name and any(entry.name in RECORDS for entry in found):
            return  # of a study or an ensemble that was made beside the images
        for entry in found:
            self.seen += 1
            if self.seen > MOST:
                raise ManifestError(f"{self.root}: more than {MOST:,} files; name the folder of the images")
            path = f"{name}/{entry.name}" if name else entry.name
            if is_hidden(entry.name):
                self.hidden += 1
            elif _leads_in_circles(entry):
                self.loops.append(path)
            elif entry.is_dir():
                self._enter(path, _real(entry, real), around)
            elif not entry.is_file():
                (self.specials if _is_special(entry) else self.broken).append(path)
            elif is_image(entry.name):
                self._note(path, entry, real)
            else:
                self.others.append(path)

    def _enter(self, path: str, real: str, around: frozenset[str]) -> None:
        if real in around:
            self.loops.append(path)
        else:
            self.folder(path, real, around)

    def _note(self, path: str, entry: os.DirEntry[str], real: str) -> None:
        self.images.append(path)
        found = _real(entry, real)
        if found != f"{self.real_root}/{path}":
            self.linked[path] = found


def _real(entry: os.DirEntry[str], folder: str) -> str:
    """Asked of the system for links alone: a call per file would take minutes on a network drive."""
    return os.path.realpath(entry.path) if entry.is_symlink() else f"{folder}/{entry.name}"


def _leads_in_circles(entry: os.DirEntry[str]) -> bool:
    """A link to itself, or to a link that leads back."""
    try:
        entry.is_dir()
    except OSError:
        return True
    return False


def _kinds(names: Sequence[str]) -> str:
    """How many of which suffix, the most frequent first."""
    kinds = Counter(posixpath.splitext(name)[1].lower() or "no suffix" for name in names)
    return " (" + ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(4)) + ")"


def alike(names: Iterable[str]) -> list[list[str]]:
    """Those of the names that differ and yet print alike."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if not name.isascii():
            found[composed(name)].append(name)
    return [same for same in found.values() if len(same) > 1]
