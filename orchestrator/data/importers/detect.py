"""Which layout a file or folder has, found without being told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.core.regular_files import kind_of_special
from orchestrator.core.text import on_one_line, shortened
from orchestrator.data.importers import IMPORTERS, table
from orchestrator.data.importers.contract import Imported, Reading, Source
from orchestrator.data.importers.file_names import with_classes, with_groups
from orchestrator.data.importers.label_table import with_labels


def detect(source: Path, reading: Reading) -> Imported:
    """Rows of whatever `source` is, with what the reading says of them.

    Raises ManifestError, for an unknown layout with those that there are.
    """
    return with_more(_detected(source, reading), reading, source)


def with_more(rows: Imported, reading: Reading, source: Path) -> Imported:
    """What --class-pattern, --labels and --group-pattern say of rows that were read. Raises ManifestError."""
    rows = with_classes(rows, reading.class_pattern, source)
    rows = rows if reading.labels is None else with_labels(rows, reading.labels)
    return with_groups(rows, reading.group_pattern, source)


def refuse_absent(source: Path) -> None:
    """Costs nothing, so that it can come before what takes long. Raises ManifestError."""
    if not source.exists():
        raise ManifestError(f"{source} does not exist; name a table or a folder of images")


def _detected(source: Path, reading: Reading) -> Imported:
    refuse_absent(source)
    if kind := kind_of_special(source.stat().st_mode):
        raise ManifestError(f"{source} is {kind}, not a file; name a table or a folder of images")
    for candidate in _inward(Source(source, reading)):
        for importer in IMPORTERS:
            if importer.matches(candidate):
                if importer is not table:
                    _refuse_options_of_tables(candidate)
                rows = importer.read(candidate)
                through = f"{source}: the data lie in {candidate.path}"
                return rows if candidate.path == source else replace(rows, notes=(through, *rows.notes))
    if source.is_file():
        raise ManifestError(
            f"{source} is neither a table (CSV, TSV, Parquet, JSON lines) nor an image; name such a file or "
            "a folder of images"
        )
    unknown = Source(source, reading)
    if len(unknown.tables) == 1:
        return table.read(Source(unknown.tables[0], reading))  # which says why it does not name the images
    raise ManifestError(_unknown(unknown))


def _refuse_options_of_tables(source: Source) -> None:
    own = source.reading
    given = {"--path-column": own.path_column, "--images": own.images, "--suffix": own.suffix}
    for option in [name for name, value in given.items() if value]:
        raise ManifestError(
            f"{option} says how a table names its images, and {source.path} has no such table; leave it out, "
            "or name the table"
        )


def _inward(source: Source) -> Iterator[Source]:
    """The source, and the only folder in it, and so on, where archives leave a folder around the data."""
    yield source
    while (
        source.path.is_dir()
        and len(tops := source.listing.tops) == 1
        and not source.listing.by_folder.get("")
    ):
        if source.listing.by_folder.keys() == {tops[0]}:
            return  # nothing but images in it: it may be a class as well
        source = Source(source.path / tops[0], source.reading)
        yield source


def _unknown(source: Source) -> str:
    if len(source.tables) > 1:
        names = shortened([path.name for path in source.tables])
        return (
            f"{source.path} holds {len(source.tables)} tables that name no images here: {names}; name one of "
            f"them and the folder of its images, for example --data {source.tables[0]} --images DIR"
        )
    listing = source.listing
    if len(listing.tops) == 1:
        [name] = listing.by_folder if len(listing.by_folder) == 1 else listing.tops
        return (
            f"{source.path} holds images of one class alone: {on_one_line(name)}; a search needs two classes "
            f"at least, and to predict these images name {source.path / name}"
        )
    if listing.is_empty:
        return f"{source.path} holds no file; name a table or a folder of images"
    *others, last = (importer.LAYOUT for importer in IMPORTERS)
    return f"{source.path} holds no layout this project knows: {', '.join(others)}, or {last}"
