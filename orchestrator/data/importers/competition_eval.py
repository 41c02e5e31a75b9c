"""The mask competition's evaluation part: info.csv and images/, every row with role test."""

from __future__ import annotations

from pathlib import Path

from orchestrator.data.importers.contract import Imported, Reading, dataset_name, require, table_of
from orchestrator.data.table_files import normalise_column_types, read_csv

LAYOUT = "info.csv with images/"


def matches(source: Path, reading: Reading) -> bool:
    table = table_of(source)
    return (
        table is not None
        and table.name == "info.csv"
        and (reading.path_column or "path") not in read_csv(table)
    )


def read(source: Path, reading: Reading) -> Imported:
    """A row per ImageID in the template's order, role test. The column `ans` is a placeholder, not truth."""
    del reading
    file = table_of(source)
    assert file is not None
    folder, table = file.parent, read_csv(file)
    require(table, ("ImageID",), folder / "info.csv")
    names = [str(name) for name in table["ImageID"]]
    frame = normalise_column_types(
        {"path": [f"images/{name}" for name in names], "ImageID": names, "role": ["test"] * len(names)}
    )
    return Imported(frame, folder, dataset_name(folder), "ImageID", keep_order=True)
