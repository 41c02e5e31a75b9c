"""JSON as data sets write it, as records: one an image."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any


def records_of(text: str) -> list[Any]:
    """Of a list, of an object per line, of {file: label}, or of COCO's images, annotations and categories.

    Raises json.JSONDecodeError.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    if not isinstance(found, dict):
        return found if isinstance(found, list) else [found]
    if isinstance(found.get("images"), list) and isinstance(found.get("annotations"), list):
        return _coco(found)
    labels = set(map(type, found.values()))
    if len(found) > 1 and labels <= {str, int} and all("." in key for key in found):
        return [{"file": key, "label": value} for key, value in found.items()]
    return [found]


def _coco(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each image with the one category of its annotations, or all of them as a list, and its own cells."""
    names = {item["id"]: item["name"] for item in found.get("categories", [])}
    categories: defaultdict[Any, dict[Any, None]] = defaultdict(dict)
    for item in found["annotations"]:
        if "category_id" in item:
            categories[item["image_id"]][names.get(item["category_id"], item["category_id"])] = None
    records = []
    for image in found["images"]:
        own = [*categories[image["id"]]]
        records.append({**image, "label": own[0] if len(own) == 1 else own or None})
    return records
