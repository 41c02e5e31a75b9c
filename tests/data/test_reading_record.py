"""How a source is read stands in a study's header and comes back from there."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.data.importers.contract import AS_FOUND, Reading


def test_a_reading_comes_back_from_json() -> None:
    said = Reading(
        "photo", (Path("a"), Path("b")), "jpg", Path("labels.csv"), "^([a-z]+)", "_(.*)_", Path("root")
    )
    assert Reading.from_json(json.loads(json.dumps(said.to_json()))) == said
    assert AS_FOUND.to_json() == {} and Reading.from_json({}) == AS_FOUND
    assert Reading.from_json({"suffix": ".png", "of_a_later_version": 1}) == Reading(suffix=".png")
