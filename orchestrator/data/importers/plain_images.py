"""Images that nothing is said of: a folder of them, or one alone. They can be predicted."""

from __future__ import annotations

from orchestrator.data.image_names import is_image
from orchestrator.data.importers.contract import Imported, Source, rows_of_files
from orchestrator.data.importers.listing import CONTAINERS, Listing

LAYOUT = "a folder of images"


def matches(source: Source) -> bool:
    """Images in the folder itself, or in the only one below it where that is called images or alike.

    A table beside them would say more of them, so it is never passed over.
    """
    if source.path.is_file():
        return is_image(source.path.name)
    folders = list(source.listing.by_folder)
    return not source.tables and len(folders) == 1 and (folders[0] == "" or folders[0].lower() in CONTAINERS)


def read(source: Source) -> Imported:
    """A row per image, role test."""
    if source.path.is_file():
        return _rows(Listing(source.path.parent, (source.path.name,)))
    return _rows(source.listing)


def _rows(listing: Listing) -> Imported:
    return rows_of_files(listing, {path: {"role": "test"} for path in listing.images}, unlabelled=True)
