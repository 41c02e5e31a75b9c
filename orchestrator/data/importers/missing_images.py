"""Why a table does not say which images are meant, in words."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from orchestrator.core.text import counted, shortened
from orchestrator.data.image_names import is_image
from orchestrator.data.importers.image_column import Outcome, Partly
from orchestrator.data.importers.listing import Listing
from orchestrator.data.importers.near_names import near_text
from orchestrator.data.scalars import to_scalars

_SHOWN = 8  # columns
_PACKED = frozenset(
    (
        *(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".hdf5", ".h5", ".tfrec", ".tfrecord", ".tfrecords"),
        *(".npz", ".npy", ".bson", ".mdb", ".rec", ".parquet"),
    )
)
_ELSEWHERE = re.compile(r"[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]+://")


def is_elsewhere(frame: pd.DataFrame, column: str) -> bool:
    """Whether a column holds addresses, or paths with a drive letter."""
    return any(_ELSEWHERE.match(str(cell)) for cell in to_scalars(frame[column]))


def missing_text(frame: pd.DataFrame, column: str | None, found: Outcome | None, listing: Listing) -> str:
    """column: the one that the user or its name says, if there is one."""
    example = f", such as {listing.images[0]}" if listing.images else ""
    looked = f"{listing.root} ({counted(len(listing.images), 'image')} there{example})"
    elsewhere = next((str(name) for name in frame.columns if is_elsewhere(frame, str(name))), None)
    partly = found if isinstance(found, Partly) else None
    if (
        elsewhere is not None
        and column in (None, elsewhere)
        and (partly is None or partly.column == elsewhere)
    ):
        return _not_here(frame, elsewhere, looked)
    if partly is not None:
        return _in_part(frame, partly, looked)
    near = near_text(frame, listing)
    if near is not None:
        return near
    beside = "; if it only says more of class folders beside it, give it as --labels"
    columns = shortened([*map(str, frame.columns)], _SHOWN)
    return (
        f"no column names images (it has {columns}): their values are no files below {looked}; say which "
        "with --path-column COLUMN, and where they lie with --images "
        f"DIR{beside if len(listing.tops) > 1 else ''}{_not_read(frame, listing)}"
    )


def _not_read(frame: pd.DataFrame, listing: Listing) -> str:
    """The end of a refusal where images may be what is no image file."""
    if len(frame.columns) == 1 and " " in str(frame.columns[0]):
        return "; if it is a list without a header, write it as CSV with one"
    packed = [name for name in listing.others if Path(name).suffix.lower() in _PACKED]
    if packed:
        return f"; {shortened(packed)} may hold images, which have to be written as files first"
    named = any(is_image(str(cell)) for cell in frame.iloc[0])
    return "" if listing.images or named else "; pixels in cells have to be written as image files first"


def _not_here(frame: pd.DataFrame, column: str, looked: str) -> str:
    value = next(str(cell) for cell in to_scalars(frame[column]) if _ELSEWHERE.match(str(cell)))
    kind = "addresses, which are not downloaded" if "://" in value else "paths of another machine"
    return (
        f"column {column} holds {kind} ({value}), and files of those names are not all below {looked}; name "
        "the folder that has them with --images DIR"
    )


def _in_part(frame: pd.DataFrame, found: Partly, looked: str) -> str:
    cells = to_scalars(frame[found.column])
    said = {row: "an empty cell" if cells[row] is None else repr(cells[row]) for row in found.missing}
    return (
        f"column {found.column} names images, but {len(said)} of {found.rows} are not below {looked}: "
        f"{shortened([f'{cell} in row {row + 1}' for row, cell in said.items()])}; add them, take the rows "
        "out, or name their folder with --images DIR"
    )
