"""Which column of a table names the images, and which file each of its values is.

A value may be a file's path, the end of its path, or either without the suffix; it may be written with
backslashes, and begin with what another machine called the folder. Nothing is guessed: what fits twice is a
question to the user.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.core.text import composed, shortened
from orchestrator.data.image_names import is_image
from orchestrator.data.importers.listing import code_points
from orchestrator.data.scalars import to_scalars, to_text

_ANCHOR = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|[A-Za-z]:/*|/+")
_ROW_NUMBERS = ("", "index", "unnamed: 0")  # columns that a saved frame brings along
_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """Every row has its one file."""

    column: str
    paths: list[str]  # (n,) as they are listed
    patterns: list[str]  # such as train_images/<image_id>.jpg

    def line(self) -> str:
        rows = len(self.paths)
        return f"images: column {self.column}, {shortened(self.patterns, _SHOWN)}, {rows} of {rows}"


@dataclass(frozen=True)
class Partly:
    """Some rows have no file, or none has."""

    column: str
    missing: list[int]  # rows, in order
    rows: int


@dataclass(frozen=True)
class Question:
    """More than one answer fits."""

    column: str
    text: str  # what fits twice, and how to say which


Outcome = Found | Partly | Question


class FileIndex:
    """Paths of images by how a table may name them."""

    def __init__(self, paths: Sequence[str], root: Path) -> None:
        self.paths, self.root = paths, root
        self.composed = [composed(path) for path in paths]
        self.by_name: defaultdict[str, list[int]] = defaultdict(list)
        self.by_stem: defaultdict[str, list[int]] = defaultdict(list)
        for at, path in enumerate(self.composed):
            name = path.rpartition("/")[2]
            self.by_name[name].append(at)
            self.by_stem[name.rpartition(".")[0]].append(at)

    def matching(self, value: str, suffix: str | None) -> list[int]:
        """The files whose path is the value or ends with it, with or without suffix."""
        if suffix is not None:
            value = value if value.endswith(suffix) else (_stem(value) if is_image(value) else value) + suffix
            return self._ending(self.by_name.get(value.rpartition("/")[2], ()), value)
        name = value.rpartition("/")[2]
        return self._ending(self.by_name.get(name, ()), value) or self._without_suffix(name, value)

    def _without_suffix(self, name: str, value: str) -> list[int]:
        """The files whose path ends with the value but for its suffix, or for how that is spelt (.JPG)."""
        spelt = value.rpartition(".")[2].lower() if is_image(value) else None
        stem = _stem(name) if spelt else name
        return [
            at
            for at in self.by_stem.get(stem, ())
            if _ends(_stem(self.composed[at]), _stem(value) if spelt else value)
            and spelt in (None, self.composed[at].rpartition(".")[2].lower())
        ]

    def _ending(self, candidates: Iterable[int], value: str) -> list[int]:
        return [at for at in candidates if _ends(self.composed[at], value)]


def _stem(path: str) -> str:
    return path.rpartition(".")[0]


def _ends(path: str, value: str) -> bool:
    return path == value or path.endswith(f"/{value}")


def normalised(value: object) -> str:
    """A value as a posix path in composed letters; without drive letter, scheme or leading slash."""
    text = composed(str(value).strip().replace("\\", "/"))
    anchor = _ANCHOR.match(text)
    if anchor is not None:
        text = text[anchor.end() :].partition("?")[0] if "://" in anchor[0] else text[anchor.end() :]
    return posixpath.normpath(text) if text else text


def find_column(frame: pd.DataFrame, files: FileIndex, suffix: str | None) -> Outcome | None:
    """The one column whose values are files. None: no column names any. Several that fit: a question."""
    outcomes = [
        match_column(frame, str(name), files, suffix) for name in frame.columns if _may_name(frame[name])
    ]
    fitting = [item for item in outcomes if isinstance(item, Found | Question)]
    fitting = [item for item in fitting if item.column.lower() not in _ROW_NUMBERS] or fitting
    if fitting:
        return _only(fitting)
    partly = [item for item in outcomes if isinstance(item, Partly) and len(item.missing) < item.rows]
    return min(partly, key=lambda item: len(item.missing), default=None)


def _may_name(column: pd.Series[Any]) -> bool:
    """Not a column of few values, such as a class: files called 0.jpg and 1.jpg would make it one."""
    cells = to_scalars(column)
    if any(isinstance(cell, float | bool) for cell in cells):
        return False
    distinct = set(cells)
    return 2 * len(distinct) > len(cells) or any(is_image(str(cell)) for cell in distinct)


def _only(fitting: Sequence[Found | Question]) -> Found | Question:
    """Columns that lead to the same files are one answer."""
    first = fitting[0]
    different = [item for item in fitting[1:] if not _same_files(first, item)]
    if not different:
        return first
    shown = [
        f"{item.column} ({shortened(item.patterns, 1)})" if isinstance(item, Found) else item.column
        for item in (first, *different)
    ]
    return Question(
        first.column,
        f"{len(shown)} columns name images: {', '.join(shown)}; say which with --path-column, such as "
        f"--path-column {first.column}",
    )


def _same_files(one: Found | Question, other: Found | Question) -> bool:
    return isinstance(one, Found) and isinstance(other, Found) and one.paths == other.paths


# ---- one column -----------------------------------------------------------------------------------


def match_column(frame: pd.DataFrame, column: str, files: FileIndex, suffix: str | None) -> Outcome:
    """The file of each of a column's values."""
    values = [normalised(to_text(cell) or "") for cell in to_scalars(frame[column])]
    hits = [files.matching(value, suffix) for value in values]
    if not any(hits) and (tails := _tails(values, files, suffix)) is not None:
        dropped, values = tails
        hits = [files.matching(value, suffix) for value in values]
    else:
        dropped = ""
    missing = [row for row, found in enumerate(hits) if not found]
    if missing:
        return Partly(column, missing, len(values))
    chosen = _chosen(values, hits, files)
    if isinstance(chosen, str):
        return Question(column, f"column {column}: {chosen}")
    around = [_around(files.composed[at], value) for at, value in zip(chosen, values, strict=True)]
    name = f"<{column} without {dropped}>" if dropped else f"<{column}>"
    patterns = sorted({f"{folder}{name}{ending}" for folder, ending in around})
    return Found(column, [files.paths[at] for at in chosen], patterns)


def _tails(values: Sequence[str], files: FileIndex, suffix: str | None) -> tuple[str, list[str]] | None:
    """Without the folders in front that are called otherwise here: as few as lead to a file for every row.

    Two values never become one file by it.
    """
    parts = [value.split("/") for value in values]
    distinct = len(set(values))
    for drop in range(1, max(map(len, parts), default=1)):
        tails = ["/".join(item[min(drop, len(item) - 1) :]) for item in parts]
        if len(set(tails)) == distinct and all(files.matching(tail, suffix) for tail in tails):
            return "/".join(parts[0][:drop]) + "/", tails
    return None


def _chosen(values: Sequence[str], hits: Sequence[list[int]], files: FileIndex) -> list[int] | str:
    """The one file of each row, or what fits twice. A file at the value's own path is meant by it."""
    own = [
        [at for at in found if not _around(files.composed[at], value)[0]] or found
        for value, found in zip(values, hits, strict=True)
    ]
    if all(len(found) == 1 for found in own):
        return [found[0] for found in own]
    return _twice(values, own, files)


def _around(path: str, value: str) -> tuple[str, str]:
    """What a path has before and after a value: its folder and its suffix."""
    if _ends(path, value) or path[-len(value) :].lower() == value.lower():
        return path[: len(path) - len(value)], ""
    stem, dot, ending = path.rpartition(".")
    if stem.endswith(value):
        return stem[: len(stem) - len(value)], dot + ending
    value = _stem(value) if is_image(value) else value  # what follows it is of --suffix
    at = path.rfind(value)
    return path[:at], path[at + len(value) :]


def _twice(values: Sequence[str], hits: Sequence[list[int]], files: FileIndex) -> str:
    rows = [row for row, found in enumerate(hits) if len(found) > 1]
    names, row = [files.paths[at] for at in hits[rows[0]]], rows[0] + 1
    if len({composed(name) for name in names}) < len(names):
        names = [f"{name} ({code_points(name) or 'ASCII'})" for name in names]
    return (
        f"{len(rows)} of {len(values)} values match two files, first {values[rows[0]]!r} in row {row}: "
        f"{' and '.join(names[:2])}; {_way_out(values, hits, files)}"
    )


def _way_out(values: Sequence[str], hits: Sequence[list[int]], files: FileIndex) -> str:
    """Names a folder or a suffix that has one file for each row, where there is one."""
    paths = [[files.paths[at] for at in found] for found in hits]
    folders = sorted(
        {path[:at] for path in paths[0] for at, mark in enumerate(path) if mark == "/"},
        key=lambda folder: (-folder.count("/"), folder),
    )
    fitting = [each for each in folders if all(_below(each, row) == 1 for row in paths)]
    options = [f"--images {files.root / folder}" for folder in _innermost(fitting)]
    if not options:
        pairs = zip(values, hits, strict=True)
        endings = [[_around(files.composed[at], value)[1] for at in found] for value, found in pairs]
        kinds = [kind for kind in sorted(set(endings[0])) if all(row.count(kind) == 1 for row in endings)]
        options = [f"--suffix {kind}" for kind in kinds if kind]
    if options:
        return f"say which are meant, such as {' or '.join(options[:2])}"
    return "remove or rename one of them"


def _below(folder: str, paths: Sequence[str]) -> int:
    return sum(path.startswith(f"{folder}/") for path in paths)


def _innermost(folders: Sequence[str]) -> list[str]:
    """Without those that others of them lie in."""
    return [each for each in folders if not any(other.startswith(f"{each}/") for other in folders)]
