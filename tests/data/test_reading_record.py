"""How a source is read stands in a study's header and comes back from there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.contract import AS_FOUND, Reading


def test_a_reading_comes_back_from_json() -> None:
    said = Reading(
        "photo", (Path("a"), Path("b")), "jpg", Path("labels.csv"), "^([a-z]+)", "_(.*)_", Path("root")
    )
    assert Reading.from_json(json.loads(json.dumps(said.to_json()))) == said
    assert AS_FOUND.to_json() == {} and Reading.from_json({}) == AS_FOUND
    assert Reading.from_json({"suffix": ".png", "of_a_later_version": 1}) == Reading(suffix=".png")


@pytest.mark.parametrize("record", [["photo"], "photo", {"images": "photos"}, {"images": 3}])
def test_what_is_no_record_of_a_reading_is_refused(record: object) -> None:
    with pytest.raises(ManifestError, match="reading"):
        Reading.from_json(record)
