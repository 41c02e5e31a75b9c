"""What an importer is and gives, and what importers share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened, suggestion
from orchestrator.data.importers.listing import Listing, entries, is_hidden, list_tree
from orchestrator.data.scalars import Scalar
from orchestrator.data.splits import split_of, split_of_folder
from orchestrator.data.table_files import normalise_column_types, read_table

TABLES = ("train.csv", "info.csv", "manifest.parquet", "manifest.csv", "labels.csv")
"""What a folder's table may be called, the first that is there is taken; else the one that names images."""
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
"""Of files in a folder that may be its table; a file that is named itself may be .txt or .json too."""
UNSAID = (
    "nothing says what its images show; if their names do, give --class-pattern, if a table does, --labels"
)


@dataclass(frozen=True)
class Reading:
    """What the user says of how a source is read; what is not said is left to the source.

    Raises ManifestError for a pattern that is none.
    """

    path_column: str | None = None  # of a table: the column that names the images
    images: tuple[Path, ...] = ()  # the folders below which a table's images lie
    suffix: str | None = (
        None  # what a table leaves out at the end of an image's name, such as ".jpg", "_a.png"
    )
    labels: Path | None = None  # a table that joins the images by name, or one that names the classes
    class_pattern: str | None = None  # its first group is the class in a file's name
    group_pattern: str | None = None  # its first group says which rows belong together
    data_root: Path | None = None  # where a table's paths start, if not beside the table

    def __post_init__(self) -> None:
        if self.suffix and "." not in self.suffix:
            object.__setattr__(self, "suffix", f".{self.suffix}")
        for option, pattern, what in (
            ("--class-pattern", self.class_pattern, "class"),
            ("--group-pattern", self.group_pattern, "group"),
        ):
            if pattern is not None:
                _check_pattern(option, pattern, what)

    def to_json(self) -> dict[str, Any]:
        """What was said, for a study's header; {} where nothing was."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        told = {name: str(value) for name, value in said.items() if value and name != "images"}
        return told | ({"images": [str(path) for path in self.images]} if self.images else {})

    @classmethod
    def from_json(cls, record: Any) -> Reading:
        """Inverse of `to_json`. Raises ManifestError for what is none."""
        if not isinstance(record, Mapping) or not isinstance(record.get("images", []), list):
            raise ManifestError(f"no reading of a source: {record!r}; restore the study's header from a copy")
        known = {name: str(value) for name, value in record.items() if name in cls.__dataclass_fields__}
        paths: dict[str, Any] = {name: Path(known[name]) for name in ("labels", "data_root") if name in known}
        images = tuple(Path(str(path)) for path in record.get("images", []))
        return cls(**{**known, **paths, "images": images})


def _check_pattern(option: str, pattern: str, what: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ManifestError(f"{option} {pattern!r} is no regular expression: {error}") from None
    if groups < 1:
        raise ManifestError(
            f"{option} {pattern!r} has no group; put what is the {what} in brackets, as in '^([a-z]+)_'"
        )


AS_FOUND = Reading()


@dataclass(frozen=True)
class Imported:
    """Rows before they are checked, in the order that they shall have."""

    frame: pd.DataFrame  # column path, relative to root, raw columns, perhaps role and group
    root: Path  # the folder of the images
    name: str  # of the data set
    group: str | None = None  # the column that groups rows when the user names none, if there is one
    listed: bool = False  # whether the files are known to exist, as rows made from a listing of folders are
    notes: tuple[str, ...] = ()  # worth telling the user
    found: tuple[str, ...] = ()  # lines of what was found and how it was read
    classes_from_names: bool = False  # whether --class-pattern has been read
    unlabelled: bool = False  # whether the rows have role test because nothing says what they show


@dataclass(frozen=True)
class Source:
    """A file or folder that exists, how it is to be read, and what lies in it, looked at once."""

    path: Path
    reading: Reading = AS_FOUND

    @cached_property
    def listing(self) -> Listing:
        """Of a folder. Raises ManifestError."""
        return list_tree(self.path)

    @cached_property
    def table(self) -> Path | None:
        """The table a user means: the file itself, or one of TABLES in the folder or its folder train."""
        if self.path.is_file():
            return self.path
        paths = (folder / name for folder in (self.path, self.path / "train") for name in TABLES)
        return next((path for path in paths if path.is_file() and not self._is_labels(path)), None)

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        """All that lie directly in the folder, else in its folder train, but what --labels names."""
        if not self.path.is_dir():
            return ()
        return self._tables_in(self.path) or self._tables_in(self.path / "train")

    def _tables_in(self, folder: Path) -> tuple[Path, ...]:
        if not folder.is_dir():
            return ()
        found = [entry.name for entry in entries(folder) if not is_hidden(entry.name) and entry.is_file()]
        paths = [folder / name for name in sorted(found) if Path(name).suffix.lower() in TABLE_SUFFIXES]
        return tuple(path for path in paths if not self._is_labels(path))

    def _is_labels(self, path: Path) -> bool:
        labels = self.reading.labels
        return labels is not None and path.absolute() == labels.absolute()

    @cached_property
    def read_table(self) -> tuple[pd.DataFrame, dict[str, str]]:
        """Of `table`, with the file's own metadata. Raises ManifestError."""
        assert self.table is not None
        return read_table(self.table)

    @cached_property
    def learnt(self) -> tuple[Path, ...]:
        """The tables but those to be filled in or predicted, where there are others."""
        return tuple(path for path in self.tables if not is_of_test(path)) or self.tables


def is_of_test(table: Path) -> bool:
    """Whether a table's name says that it is to be filled in or predicted."""
    return "submi" in table.stem.lower() or split_of_folder(table.stem) == "test"


class Importer(Protocol):
    """A module that knows one layout of images."""

    LAYOUT: str  # as a refusal names it: "a folder per class"

    def matches(self, source: Source) -> bool:
        """Whether the source has this layout. It need not read all of it."""
        ...

    def read(self, source: Source) -> Imported:
        """The rows of a source that matches. Raises ManifestError."""
        ...


def rows_of_files(
    listing: Listing, labels: Mapping[str, Mapping[str, Scalar]], notes: Sequence[str] = (), **changes: Any
) -> Imported:
    """Rows of the images of a folder. labels: path -> its cells, by column; the same columns for each.

    A file that links lead to is one row. Raises ManifestError for one file with different cells.
    """
    paths, again = listing.once(labels)
    names = list(next(iter(labels.values()), ()))
    cells = {name: [labels[path][name] for path in paths] for name in names}
    frame = normalise_column_types({"path": paths, **cells}).assign(path=pd.Series(paths, dtype=object))
    links = [
        f"{listing.root}: {len(again)} links to images that are there already count once: {shortened(again)}"
    ]
    all_notes = (*listing.notes(), *notes, *(links if again else ()))
    return Imported(frame, listing.root, dataset_name(listing.root), listed=True, notes=all_notes, **changes)


def dataset_name(folder: Path) -> str:
    folder = folder.resolve()
    return f"{folder.parent.name}-{folder.name}" if split_of(folder.name) else folder.name


def require(frame: pd.DataFrame, columns: Sequence[str], source: Path) -> None:
    """Raises ManifestError when one of the columns is not there."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ManifestError(
            f"{source}: column {shortened(missing)} is missing; it has {', '.join(map(str, frame.columns))}"
            f"{suggestion(missing[0], map(str, frame.columns))}"
        )
