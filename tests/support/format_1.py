"""An ensemble's folder as versions 0.1 to 0.3 wrote it: one route, equal weights, words in a file beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OF_STUDY = ("study", "trainable", "own_code")


def to_format_1(folder: Path) -> dict[str, Any]:
    """Rewrites the record of a folder that has one route of equal members; returns it."""
    new = json.loads((folder / "ensemble.json").read_text())
    (route,) = new["routes"]
    numbers = {item["key"]: item for item in new["estimates"]}
    words = {key: {name: item.pop(name) for name in ("title", "meaning")} for key, item in numbers.items()}
    first = next(iter(new["metrics"].values()))
    old = {
        "format": 1,
        **{name: new[name] for name in ("classes", "target", "metric", "mode", "tta", "metrics")},
        **({"task": new["task"]} if any(new["task"].values()) else {}),
        **({"spellings": new["spellings"]} if new["spellings"] else {}),
        "joint": new["target"] if new["target"]["kind"] == "joint" else None,
        "vote": route["terms"][0]["vote"]["kind"],
        "parts": [_part(term) for term in route["terms"]],
        "estimates": {
            **{name: first[name] for name in ("folds", "mean", "sd")},
            **{key: {n: v for n, v in item.items() if n != "key"} for key, item in numbers.items()},
            "candidates": new["candidates"],
        },
        **{name: new[name] for name in ("studies", "manifest", "fold_plan", "train_digest")},
    }
    (folder / "ensemble.json").write_text(json.dumps(old))
    (folder / "estimates.json").write_text(json.dumps(words))
    if new["decisions"] is not None:
        thresholds = {name: value for name, value in new["decisions"].items() if name != "kind"}
        (folder / "thresholds.json").write_text(json.dumps(thresholds))
    return old


def _part(term: dict[str, Any]) -> dict[str, Any]:
    first = term["members"][0]
    own = ("trial", "score", "config", "models")
    return {
        **{name: first[name] for name in OF_STUDY if name in first},
        "target": term["target"],
        "members": [{name: member[name] for name in own} for member in term["members"]],
        **({} if term["given"] is None else {"given": term["given"]}),
    }
