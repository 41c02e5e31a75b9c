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
    """Each image's own cells and its categories: a label, or a list of them, by name.

    Where none has several, their numbers too: it is these that a submission may ask for.
    """
    names = {item["id"]: item["name"] for item in found.get("categories", [])}
    numbers: defaultdict[Any, dict[Any, None]] = defaultdict(dict)
    for item in found["annotations"]:
        if "category_id" in item:
            numbers[item["image_id"]][item["category_id"]] = None
    of_image = {image["id"]: [*numbers[image["id"]]] for image in found["images"]}
    named = bool(names) and all(len(own) < 2 for own in of_image.values())
    records = []
    for image in found["images"]:
        own = of_image[image["id"]]
        labels = [*dict.fromkeys(names.get(number, number) for number in own)]
        numbered = {"category_id": own[0] if own else None} if named else {}
        records.append({**image, "label": labels[0] if len(labels) == 1 else labels or None, **numbered})
    return records
