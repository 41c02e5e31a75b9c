"""Columns that all but name the images: names go on behind their values, or values behind the names."""

from __future__ import annotations

import re

import pandas as pd

from orchestrator.core.text import shortened
from orchestrator.data.image_names import is_image
from orchestrator.data.importers.image_column import normalised
from orchestrator.data.importers.listing import Listing
from orchestrator.data.scalars import to_scalars, to_text

_SHOWN = 4


def near_text(frame: pd.DataFrame, listing: Listing) -> str | None:
    """What is near, and the way out; None where nothing is."""
    names = {path.rpartition("/")[2] for path in listing.images}
    stems = {name.rpartition(".")[0] for name in names}
    for column in frame.columns:
        values = [normalised(to_text(cell) or "").rpartition("/")[2] for cell in to_scalars(frame[column])]
        values = [value.rpartition(".")[0] if is_image(value) else value for value in values]
        if len(set(values)) < 2 or not all(values):
            continue
        endings = _endings(values, names)
        if endings:
            return (
                f"column {column} holds the beginnings of the images' names, which end in "
                f"{shortened(endings, _SHOWN)}; say which are meant, such as --suffix {endings[0]}"
            )
        if all(value.rpartition("_")[0] in stems for value in values):
            return (
                f"column {column} has more behind the images' names ({values[0]}), so it has a row for each "
                "label of an image; write one row for each image, with a column for each label"
            )
    return None


def _endings(values: list[str], names: set[str]) -> list[str]:
    """What stands behind every value in the name of an image, such as _green.png."""
    first = re.compile(re.escape(values[0]) + r"([^\w.].*|_.*)")
    found = sorted(match[1] for name in names if (match := first.fullmatch(name)) is not None)
    return [ending for ending in found if all(value + ending in names for value in values)]
