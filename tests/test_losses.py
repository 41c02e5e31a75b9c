"""The benchmark of losses: what it takes for a fault, how it counts, where it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import losses_study
from benchmarks.losses_page import page
from benchmarks.losses_record import Record
from benchmarks.losses_study import World, leaderboard, whole_lines
from benchmarks.losses_ways import FIRST_START_S, Moments
from orchestrator.storage.checkpoint_files import PROBABILITIES
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.conftest import SPACE
from tests.support.helpers import curves, journal


@pytest.fixture(scope="module")
def made(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("losses")
    (folder / "tint.py").write_text(SPACE)
    words = ["--space", str(folder / "tint.py"), "--data", str(faces), "--runs", str(folder), "--inline"]
    assert main([*words, "--study", "a"]) == 0
    return folder / "a"


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "a"))


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """In which the study is what nothing disturbed."""
    monkeypatch.setattr(losses_study, "FOLDS", 3)
    monkeypatch.setattr(losses_study, "MAX_T", 4)
    found = World(tmp_path)
    vars(found).update(undisturbed=leaderboard(made), every_curve=curves(made))
    return found


def test_a_study_that_nothing_disturbed_has_no_fault(study: Path, world: World) -> None:
    assert world.faults(study, whole_lines(study)) == []


Change = Callable[[list[dict[str, Any]]], object]


def repeat(events: list[dict[str, Any]]) -> None:
    """A leg that ran an epoch of before again."""
    at = next(n for n, event in enumerate(events) if event["event"] == "epoch_ended" and event["epoch"] == 2)
    started = next(event for event in events if event["event"] == "leg_started" and event["start"] == 1)
    again = {**started, "trial": events[at]["trial"], "fold": events[at]["fold"]}
    events[at + 1 : at + 1] = [again, events[at]]


def rescore(events: list[dict[str, Any]]) -> None:
    found = next(event for event in events if event["event"] == "epoch_ended")
    found["score"] = found["metrics"]["macro_f1"] = 0.9876


@pytest.mark.parametrize(
    "change, fault",
    [(repeat, "is in the journal 2 times"), (rescore, "has other scores"), (rescore, "lines that were")],
)
def test_a_journal_that_lost_repeated_or_changed_something_is_a_fault(
    change: Change, fault: str, study: Path, world: World
) -> None:
    before, events = whole_lines(study), journal(study)
    change(events)
    for event in events:
        event.pop(
            "crc", None
        )  # as versions until 0.3 wrote it: what is looked for is beyond a line's checksum
    (study / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    faults = world.faults(study, before)
    assert any(fault in found for found in faults), faults


def test_another_winner_and_a_file_that_is_gone_are_faults(study: Path, world: World) -> None:
    vars(world)["undisturbed"] = leaderboard(study)[1:]
    assert any("the leaderboard is" in found for found in world.faults(study, b""))
    store = Study(study).store()
    store.delete(next(name for name in store.names() if name.startswith(PROBABILITIES)))
    assert any("the journal is inconsistent" in found for found in world.faults(study, b""))


def test_a_record_goes_on_where_it_was_and_keeps_to_its_seed(tmp_path: Path) -> None:
    record = Record.load(tmp_path / "losses.json", seed=3)
    part = record.part("driver", 5)
    part.losses.append({"study": "driver-0", "epochs": 4, "told": "killed"})
    part.studies.append({"study": "driver-0", "faults": ["lost"]})
    record.write()
    again = Record.load(tmp_path / "losses.json", seed=3)
    assert again.part("driver", 7).missing == 6 and again.part("disk", 2).missing == 2
    assert again.faults == ["driver-0: lost"]
    with pytest.raises(SystemExit, match="is of seed 3"):
        Record.load(tmp_path / "losses.json", seed=4)


def test_the_page_counts_losses_faults_and_what_came_of_them(tmp_path: Path) -> None:
    record = Record.load(tmp_path / "losses.json", seed=3)
    part = record.part("disk", 3)
    for told in ("exit code 2: error: disk: x has 1 kB", "exit code 2: error: disk full: 3 bytes", "killed"):
        part.losses.append({"study": "disk-0", "epochs": 4, "told": told})
    part.studies.append({"study": "disk-0", "faults": []})
    row = next(line for line in page(record.to_json()).splitlines() if line.startswith("| disk"))
    assert row.startswith("| disk | 3 | 1 | 0 |")
    assert "1 x stopped before a write was refused" in row and "1 x a write was refused" in row


def test_moments_lie_from_the_start_to_twice_the_first_epoch() -> None:
    drawn = [Moments().draw(np.random.default_rng(seed)) for seed in range(200)]
    assert 0 <= min(drawn) < 0.2 * FIRST_START_S and 1.8 * FIRST_START_S < max(drawn) <= 2 * FIRST_START_S
