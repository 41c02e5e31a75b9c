"""How many fold runs shared a GPU stays with the study."""

from __future__ import annotations

import json

import pytest

from orchestrator.core.errors import StorageError
from orchestrator.execution.packing import Packing
from orchestrator.study.study import Study
from orchestrator.tune.packing_record import record_packings
from tests.execution.on_ray.conftest import study as study  # one that has only begun


def test_what_was_chosen_is_kept_by_type_and_a_resume_adds_its_own(study: Study) -> None:
    record_packings(study, {})
    assert not study.files.packing.exists(), "nothing was measured"
    record_packings(study, {"A100": Packing(4, "4 together train 2.3x of one"), "T4": Packing(1, "why")})
    record_packings(study, {"T4": Packing(2, "2 together train 1.4x of one")})
    found = json.loads(study.files.packing.read_text())
    assert {name: item["fold_runs_per_gpu"] for name, item in found.items()} == {"A100": 4, "T4": 2}
    assert found["A100"]["reason"] == "4 together train 2.3x of one" and found["A100"]["time"] > 1.7e9


@pytest.mark.parametrize("damaged", ["", "[1]", "{"])
def test_a_damaged_record_is_written_anew(study: Study, damaged: str) -> None:
    study.files.packing.write_text(damaged)
    record_packings(study, {"T4": Packing(1, "why")})
    assert set(json.loads(study.files.packing.read_text())) == {"T4"}


def test_one_that_cannot_be_written_is_told_with_its_place(study: Study) -> None:
    study.files.packing.mkdir()
    with pytest.raises(StorageError, match=r"packing\.json cannot be written"):
        record_packings(study, {"T4": Packing(1, "why")})
