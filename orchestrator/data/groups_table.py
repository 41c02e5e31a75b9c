"""The rows of a manifest as a table that `--data` takes again, with their groups joined."""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError
from orchestrator.data.manifest import Manifest, given_groups, group_columns
from orchestrator.data.quality.joined_groups import Codes, with_joined_groups
from orchestrator.data.scalars import to_scalars
from orchestrator.data.table_files import write_parquet


def with_groups(manifest: Manifest, codes: Codes, names: Sequence[str] | None = None) -> Manifest:
    """Rows with equal codes share a group, in the column group and in those that the groups came from.

    names (n,): groups in place of each row's own, where nothing gives any.
    """
    frame = manifest.frame
    given = frame.assign(group=pd.Series(given_groups(frame), index=frame.index, dtype=object))
    grouped = given["group"].nunique() < len(given)
    columns = group_columns(given) if grouped else []
    if names is not None and not grouped:
        frame = frame.assign(group=pd.Series(list(names), index=frame.index, dtype=object))
    return with_joined_groups(Manifest(frame, manifest.root, manifest.name), codes, columns)


def write_rows(path: Path, manifest: Manifest) -> None:
    """As CSV, or as Parquet by the suffix; images' paths are relative to the table. Raises StorageError."""
    # Links are followed on both sides: `..` out of a linked folder leads elsewhere than it reads.
    prefix = os.path.relpath(os.path.realpath(manifest.root), os.path.realpath(path.absolute().parent))
    paths = [
        posixpath.normpath(posixpath.join(Path(prefix).as_posix(), name)) for name in manifest.frame["path"]
    ]
    frame = manifest.frame.assign(path=pd.Series(paths, index=manifest.frame.index, dtype=object))
    if path.suffix.lower() == ".parquet":
        write_parquet(path, frame, {})
        return
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(frame.columns)
    cells = [to_scalars(frame[name]) for name in frame.columns]
    table.writerows(["" if cell is None else str(cell) for cell in row] for row in zip(*cells, strict=True))
    try:
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another place") from error
