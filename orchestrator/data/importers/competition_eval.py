"""The mask competition's evaluation part: info.csv and images/, every row with role test."""

from __future__ import annotations

from orchestrator.data.importers.contract import Imported, Source, dataset_name
from orchestrator.data.table_files import normalise_column_types

IMAGE_ID = "ImageID"
LAYOUT = "its info.csv with images/"


def matches(source: Source) -> bool:
    table = source.table
    if table is None or table.name != "info.csv" or source.reading.images:
        return False
    columns = set(source.read_table[0].columns)
    return IMAGE_ID in columns and (source.reading.path_column or "path") not in columns


def read(source: Source) -> Imported:
    """A row per ImageID in the template's order, role test. The column `ans` is a placeholder, not truth."""
    assert source.table is not None
    folder, (table, _) = source.table.parent, source.read_table
    names = [str(name) for name in table[IMAGE_ID]]
    frame = normalise_column_types(
        {"path": [f"images/{name}" for name in names], IMAGE_ID: names, "role": ["test"] * len(names)}
    )
    return Imported(frame, folder, dataset_name(folder), IMAGE_ID)
