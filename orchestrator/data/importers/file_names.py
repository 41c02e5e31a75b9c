"""The class in the file name, where a pattern says how to read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import composed, counted, shortened
from orchestrator.data.importers.class_folders import splits_of
from orchestrator.data.importers.contract import Imported, Source, rows_of_files
from orchestrator.data.scalars import Scalar
from orchestrator.data.splits import SPLIT

LAYOUT = "class names in file names (--class-pattern)"


def matches(source: Source) -> bool:
    return source.reading.class_pattern is not None and source.path.is_dir() and source.table is None


def read(source: Source) -> Imported:
    """A row per image at any depth, column label from its name, column split where folders say it.

    Raises ManifestError for names that the pattern does not read; those of a part test need no class.
    """
    assert source.reading.class_pattern is not None
    splits, images = splits_of(source.listing), source.listing.images
    given = bool(splits) and all(splits.values()) and "" not in source.listing.by_folder
    rows: dict[str, dict[str, Scalar]] = {path: {} for path in images}
    if given:
        rows = {path: {SPLIT: splits[path.split("/", 1)[0]]} for path in images}
    judged = [path for path in images if rows[path].get(SPLIT) != "test"]
    labels = dict(
        zip(
            judged,
            words_in(judged, "--class-pattern", source.reading.class_pattern, str(source.path)),
            strict=True,
        )
    )
    labelled = {path: {**row, "label": labels.get(path)} for path, row in rows.items()}
    return rows_of_files(source.listing, labelled, classes_from_names=True)


def with_classes(rows: Imported, pattern: str | None, source: Path) -> Imported:
    """Rows of a table with the column label from their images' names. Raises ManifestError."""
    if pattern is None or rows.classes_from_names:
        return rows
    if "label" in rows.frame:
        raise ManifestError(
            f"--class-pattern reads the class from file names, and {source} has a column label; leave it out"
        )
    labels = words_in(rows.frame["path"].tolist(), "--class-pattern", pattern, str(source))
    return replace(rows, frame=rows.frame.assign(label=pd.Series(labels, dtype=object)))


def with_groups(rows: Imported, pattern: str | None, source: Path) -> Imported:
    """Rows with the column group from their images' names. Raises ManifestError."""
    if pattern is None:
        return rows
    if "group" in rows.frame:
        raise ManifestError(
            f"--group-pattern reads the group from file names, and {source} has a column group; leave it out"
        )
    groups = words_in(rows.frame["path"].tolist(), "--group-pattern", pattern, str(source))
    frame = rows.frame.assign(group=pd.Series(groups, dtype=object))
    example = f"{groups[0]!r} in {rows.frame['path'].iloc[0]}"
    line = f"groups: {counted(len(set(groups)), 'group')} by --group-pattern, such as {example}"
    return replace(rows, frame=frame, group="group", found=(*rows.found, line))


def words_in(paths: Sequence[str], option: str, pattern: str, where: str) -> list[str]:
    """The first group of a pattern in each file's name, or in its path where the pattern has a slash.

    Raises ManifestError.
    """
    texts = [composed(path if "/" in pattern else path.rpartition("/")[2]) for path in paths]
    found = [re.search(pattern, text) for text in texts]
    wrong = [path for path, match in zip(paths, found, strict=True) if match is None or not match[1]]
    if wrong:
        raise ManifestError(
            f"{where}: {len(wrong)} of {len(paths)} file names don't match {option} {pattern!r}: "
            f"{shortened(wrong)}; correct it, or move these files away"
        )
    return [match[1] for match in found if match is not None]
