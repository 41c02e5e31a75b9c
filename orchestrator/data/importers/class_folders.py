"""A folder per class, with or without folders train, val and test above the classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import composed, counted, shortened
from orchestrator.data.importers.contract import UNSAID, Imported, Source, rows_of_files
from orchestrator.data.importers.listing import CONTAINERS, FOLDER, Listing
from orchestrator.data.importers.no_classes import refuse_folders_that_are_no_classes
from orchestrator.data.scalars import Scalar
from orchestrator.data.splits import SPLIT, split_of, split_of_folder

LAYOUT = "a folder per class"


def matches(source: Source) -> bool:
    """Two classes at least, or nothing but parts such as train and test."""
    if not source.path.is_dir():
        return False
    tops = source.listing.tops
    return len(tops) > 1 or (bool(tops) and split_of_folder(tops[0]) is not None)


def read(source: Source) -> Imported:
    """A row per image, at any depth. Columns: label, the class's folder; split, where parts lie above the
    classes; folder, where classes have folders.

    An image that lies in a part and in no class has no label. Raises ManifestError.
    """
    listing, splits = source.listing, splits_of(source.listing)
    _refuse_parts_among_classes(source, splits)
    heads = {top: _head(listing, top) if all(splits.values()) else "" for top in listing.tops}
    if tests := _tests_beside_classes(listing, splits):
        heads = {**heads, **{top: f"{top}/" for top in tests}}
        splits = {top: "test" if top in tests else "train" for top in splits}
    placed = [path for path in listing.images if "/" in path]
    rows = {path: _row(path, heads, splits) for path in placed}
    if not any(splits.values()) and _parts_lie_below(placed):
        rows = {path: _row_of_class_and_part(path) for path in placed}
        splits = dict.fromkeys(splits, "train")  # every row has one
    learnt = [row for row in rows.values() if row[SPLIT] != "test"]
    refuse_folders_that_are_no_classes(source.path, {str(row[FOLDER]) for row in learnt if row[FOLDER]})
    labels = {row["label"] for row in rows.values()}
    for name, is_needless in (
        (FOLDER, all(row[FOLDER] == row["label"] for row in rows.values())),
        (SPLIT, not all(splits.values())),
        ("label", labels == {None}),
    ):
        if is_needless:
            rows = {path: {key: row[key] for key in row if key != name} for path, row in rows.items()}
    notes = [
        *_loose(source, listing.by_folder.get("", [])),
        *_classes_without_images(source, heads.values()),
        *([f"{source.path}: {UNSAID}"] if labels == {None} else []),
    ]
    return rows_of_files(listing, rows, notes)


def _parts_lie_below(paths: Sequence[str]) -> bool:
    """cats/train/1.jpg, cats/test/2.jpg."""
    parts = {split_of_folder(path.split("/")[1]) if path.count("/") > 1 else None for path in paths}
    return None not in parts and "train" in parts and len(parts) > 1


def _row_of_class_and_part(path: str) -> dict[str, Scalar]:
    label, part, *deeper = path.split("/")[:-1]
    folder = composed("/".join([label, *deeper]))
    return {"label": composed(label), FOLDER: folder, SPLIT: split_of_folder(part)}


def _row(path: str, heads: Mapping[str, str], splits: Mapping[str, str | None]) -> dict[str, Scalar]:
    top = path.split("/", 1)[0]
    within = path.removeprefix(heads[top]).split("/")[:-1]
    label = composed(within[0]) if within else None
    return {"label": label, FOLDER: composed("/".join(within)) or None, SPLIT: splits[top]}


def splits_of(listing: Listing) -> dict[str, str | None]:
    """Folder of the root -> the part that its name says."""
    return {top: split_of_folder(top) for top in listing.tops}


def _refuse_parts_among_classes(source: Source, splits: dict[str, str | None]) -> None:
    parts = [top for top, split in splits.items() if split]
    others = [top for top, split in splits.items() if not split]
    if "train" in splits.values() and len(parts) > 1 and others:
        raise ManifestError(
            f"{source.path} holds the parts {', '.join(parts)} and beside them {shortened(others)}, which "
            f"would pass for classes; name one of them, for example {source.path / parts[0]}, or move the "
            "others away"
        )


def _tests_beside_classes(listing: Listing, splits: Mapping[str, str | None]) -> list[str]:
    """Folders called test, with images and no folders in them, beside two classes or more."""
    tests = [top for top in splits if split_of(top) == "test" and top in listing.by_folder]
    flat = [top for top in tests if len(listing.below(top)) == len(listing.by_folder[top])]
    others = [split for top, split in splits.items() if top not in flat]
    return flat if len(others) > 1 and not any(others) else []


def _head(listing: Listing, top: str) -> str:
    """What stands before the classes of a part: train/, or train/train/ or train/images/ if that is all."""
    head = f"{top}/"
    while True:
        below = [path.removeprefix(head) for path in listing.images if path.startswith(head)]
        folders = {path.split("/", 1)[0] for path in below if "/" in path}
        deeper = any(path.count("/") > 1 for path in below)
        if len(folders) != 1 or any("/" not in path for path in below):
            return head
        [name] = folders
        if not deeper and name.lower() not in CONTAINERS:
            return head
        head += f"{name}/"


def _loose(source: Source, paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    return [f"{source.path}: left out {counted(len(paths), 'image')} beside the folders: {shortened(paths)}"]


def _classes_without_images(source: Source, heads: Iterable[str]) -> list[str]:
    """A folder whose files are all of another kind would be a class that vanishes."""
    listing, found = source.listing, []
    for head in sorted(set(heads)):
        folders = {
            path.removeprefix(head).split("/", 1)[0]
            for path in listing.others
            if path.startswith(head) and "/" in path.removeprefix(head)
        }
        found += [head + folder for folder in sorted(folders) if not listing.below(head + folder)]
    if not found:
        return []
    return [
        f"{source.path}: {counted(len(found), 'folder')} without an image "
        f"{'counts' if len(found) == 1 else 'count'} as no class: {shortened(found)}"
    ]
