"""JSON as data sets write it, as records: one an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.json_text import parse_json


def records_of(text: str) -> list[Any]:
    """Of a list, of an object per line, of {file: label}, or of COCO's images, annotations and categories.

    Raises ValueError.
    """
    try:
        found = parse_json(text)
    except ValueError:
        return [parse_json(line) for line in text.split("\n") if line.strip()]
    if not isinstance(found, dict):
        return found if isinstance(found, list) else [found]
    if all(_are_records(found.get(key)) for key in ("images", "annotations")):
        return _coco(found)
    labels = set(map(type, found.values()))
    if len(found) > 1 and labels <= {str, int} and all("." in key for key in found):
        return [{"file": key, "label": value} for key, value in found.items()]
    return [found]


def _are_records(cell: object) -> bool:
    return isinstance(cell, list) and all(isinstance(item, dict) for item in cell)


def _coco(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each image's own cells and its categories: a label, or a list of them, by name.

    Where none has several, their numbers too: it is these that a submission may ask for.
    """
    categories = found.get("categories", [])
    names = {_id(item, "category_id"): item["name"] for item in categories if "name" in item}
    numbers: defaultdict[Any, dict[Any, None]] = defaultdict(dict)
    for item in found["annotations"]:
        if "category_id" in item:
            numbers[item.get("image_id")][item["category_id"]] = None
    records = [(image, [*numbers[_id(image, "image_id")]]) for image in found["images"]]
    named = bool(names) and all(len(own) < 2 for _, own in records)
    return [_record(image, own, names, named) for image, own in records]


def _id(item: Mapping[str, Any], other: str) -> Any:
    """Some sets call it as those that refer to it do."""
    return item.get("id", item.get(other))


def _record(
    image: Mapping[str, Any], own: Sequence[Any], names: Mapping[Any, str], named: bool
) -> dict[str, Any]:
    labels = [*dict.fromkeys(names.get(number, number) for number in own)]
    numbered = {"category_id": own[0] if own else None} if named else {}
    return {**image, "label": labels[0] if len(labels) == 1 else labels or None, **numbered}
