"""What a search says of the disk before it runs, and that it stops before the disk is full."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from orchestrator.core.disk_needs import CheckpointBytes, DiskNeeds
from orchestrator.core.errors import StorageError
from orchestrator.core.events import EpochEnded, FoldRunKey, Leg, Reopened, State
from orchestrator.execution.disk_guard import FLOOR, DiskGuard, EpochBytes
from orchestrator.race import RaceConfig
from orchestrator.race.most_held import most_held
from orchestrator.storage import DirectoryStore
from orchestrator.storage.checkpoint_files import resume_name, weights_name
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from orchestrator.tune.disk import Disk, disk_line, disks_of, most_to_come
from orchestrator.tune.disk_estimate import Need, Places, Size, needs_of
from tests.pixel_trainable import PixelTrainable
from tests.support.helpers import check_consistent, curves, events

GB = 10**9


def tune(space: Path, data: Path, runs: Path, *more: str) -> int:
    return main(["--space", str(space), "--data", str(data), "--runs", str(runs), "--inline", *more])


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Says what every disk has free from now on."""

    def says(bytes_free: Callable[[], int]) -> None:
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path: SimpleNamespace(total=2 * GB, used=0, free=bytes_free())
        )

    return says


# ---- before anything runs ----


def test_what_a_search_takes_and_what_is_free_is_said_in_one_line(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], free: Any
) -> None:
    free(lambda: 3 * GB)
    assert tune(space_file, faces, tmp_path, "--study", "a") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "disk: " in line]
    assert len(said) == 2  # as foretold, and once the first checkpoint was there
    assert "3.0 GB free" in said[0] and said[0].endswith("measured when the first one is written")
    assert "checkpoints" in said[1] and "predictions" in said[1] and "note:" not in said[1]


def test_a_disk_that_cannot_hold_the_end_of_a_search_is_refused_before_anything_runs(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], free: Any
) -> None:
    free(lambda: 9000)
    assert tune(space_file, faces, tmp_path / "runs", "--study", "a") == 2
    told = capsys.readouterr().err
    assert "9.0 kB free" in told and "at least" in told and "--storage" in told
    assert len(told.strip().splitlines()) == 2
    assert not (tmp_path / "runs" / "a").exists()


def test_a_disk_that_does_not_say_what_is_free_is_no_reason_to_refuse(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], free: Any
) -> None:
    def silent() -> int:
        raise OSError(38, "Function not implemented")

    free(silent)
    assert tune(space_file, faces, tmp_path, "--study", "a", "--trials", "2") == 0
    assert "note: what is free cannot be told: Function not implemented" in capsys.readouterr().out


def test_trials_that_a_budget_may_add_are_said_to_come_to_it(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(space_file, faces, tmp_path, "--study", "a", "--max-fold-epochs", "30") == 0
    assert "trials that follow while the budget lasts come to it" in capsys.readouterr().out
    assert tune(space_file, faces, tmp_path, "--study", "b", "--trials", "2") == 0
    assert "trials that follow" not in capsys.readouterr().out


SIZE = Size(finalists=3, folds=5, max_t=18, slots=2, rows=1000, columns=10, keeps_all=True)
TOLD = DiskNeeds(CheckpointBytes(45 * 10**6, 90 * 10**6), CheckpointBytes(90 * 10**6, 270 * 10**6), 2 * GB)


def needs(place: Path, told: DiskNeeds | None = TOLD, links: bool = True) -> dict[str, Need]:
    held = most_held("fold_asha", RaceConfig(trials=64, folds=5, max_t=18), 2)
    places = Places(place, place, place, None, links)
    return {need.what: need for need in needs_of(SIZE, held, told, places)}


def test_the_most_counts_two_states_of_every_fold_run_that_may_go_on(tmp_path: Path) -> None:
    held = most_held("fold_asha", RaceConfig(trials=64, folds=5, max_t=18), 2)
    one = 360 * 10**6 + SIZE.oof
    found = needs(tmp_path)
    assert found["checkpoints"].most == (2 * held.unfinished + 2) * one
    assert found["predictions"].most == held.fold_epochs * SIZE.predictions
    assert found["decoded images"].least == found["decoded images"].most == 2 * GB
    assert 64 * 2 * one < found["checkpoints"].most < 5 * 64 * 2 * one


def test_the_least_is_the_finalists_and_their_states_by_the_smallest_network(tmp_path: Path) -> None:
    found = needs(tmp_path)
    assert found["checkpoints"].least == 15 * (45 * 10**6 + SIZE.oof) + 15 * 2 * 90 * 10**6
    assert 0 < found["predictions"].least < found["predictions"].most


def test_an_ensemble_counts_where_it_cannot_link_to_the_study_s_files(tmp_path: Path) -> None:
    assert "an ensemble" not in needs(tmp_path)
    assert needs(tmp_path, links=False)["an ensemble"].most == 15 * 90 * 10**6


def test_a_trainable_that_says_nothing_leaves_checkpoints_out(tmp_path: Path) -> None:
    assert set(needs(tmp_path, None)) == {"journal and tables", "predictions"}


def test_enough_for_less_than_the_most_is_told(tmp_path: Path) -> None:
    (disk,) = disks_of(list(needs(tmp_path).values()), lambda path: 10 * GB)
    assert disk.least < disk.free < disk.most
    assert "may not be enough" in disk_line([disk])
    (roomy,) = disks_of(list(needs(tmp_path).values()), lambda path: 1000 * GB)
    assert "\n" not in disk_line([roomy])


# ---- while it runs ----


def guard(tmp_path: Path, free: int, said: list[str]) -> DiskGuard:
    """Files of 100, 10, 1 and 1 kB, four fold runs of finalists."""
    size = EpochBytes(100_000, 10_000, 1_000, 1_000)
    store = DirectoryStore(tmp_path / "a")
    return DiskGuard(
        tmp_path, store, 4, size, to_finish=lambda: "; or finish", free=lambda _: free, say=said.append
    )


@pytest.mark.parametrize(
    "start, is_new, running, needed",
    [
        (0, False, [], 3 * 111_000 + 1000),  # two epochs' files are kept and one is on its way
        (1, False, [], 2 * 111_000 + 1000),
        (7, False, [], 111_000 + 1000),
        (7, False, [0, 9], 111_000 + 1000 + 3 * 111_000 + 1000 + 111_000 + 1000),
        (0, True, [], 3 * 111_000 + 1000 + 4 * 211_000),  # and the finalists
    ],
)
def test_a_leg_starts_where_what_it_and_the_others_may_write_fits(
    start: int, is_new: bool, running: list[int], needed: int, tmp_path: Path
) -> None:
    leg = Leg(0, 0, start, 20)
    assert guard(tmp_path, needed + FLOOR, []).check(leg, is_new, running)
    short = guard(tmp_path, needed + FLOOR - 1, [])
    if running:
        assert not short.check(leg, is_new, running)
    else:
        with pytest.raises(StorageError, match="continue with --resume" + ("; or finish" if is_new else "$")):
            short.check(leg, is_new, running)


def test_a_fold_run_whose_short_epochs_stored_no_state_still_writes_it(tmp_path: Path) -> None:
    needed = FLOOR + 2 * 111_000 + 1000
    for free, starts in ((needed, True), (needed - 1, False)):
        with contextlib.nullcontext() if starts else pytest.raises(StorageError, match="too little"):
            assert guard(tmp_path, free, []).check(Leg(0, 0, 7, 20), False, [], stored=1)


def test_sizes_are_told_once_an_epoch_has_shown_all_of_them(tmp_path: Path) -> None:
    told: list[EpochBytes] = []
    store = DirectoryStore(tmp_path / "a")
    watching = DiskGuard(tmp_path, store, 4, measured=told.append)
    for epoch, names in ((1, (weights_name,)), (2, (weights_name, resume_name)), (3, (resume_name,))):
        for name in names:
            store.put(name(FoldRunKey(0, 0), epoch), bytes(10 * epoch))
        watching.saw(EpochEnded(0, 0, epoch, 0.5))
        assert len(told) == (epoch > 1)
    assert told == [EpochBytes(30, 20)]


@pytest.mark.parametrize("to_come, kept", [(500_000, 500_000), (9 * 10**6, 1_178_000), (-5, 334_000)])
def test_no_more_is_kept_for_a_new_trial_than_may_come_and_never_less_than_its_leg_writes(
    to_come: int, kept: int, tmp_path: Path
) -> None:
    enough, short = guard(tmp_path, kept + FLOOR, []), guard(tmp_path, kept + FLOOR - 1, [])
    enough.to_come = short.to_come = lambda size: to_come
    assert enough.check(Leg(0, 0, 0, 20), True, [])
    with pytest.raises(StorageError, match="a new trial beside the finalists"):
        short.check(Leg(0, 0, 0, 20), True, [])


def test_what_may_come_is_the_estimate_less_what_is_there_but_for_failed_trials(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for trial, length in ((0, 100), (1, 30)):
        store.put(resume_name(FoldRunKey(trial, 1), 1), bytes(length))
    space = SimpleNamespace(trials=2, folds=2)
    study: Any = SimpleNamespace(trials=2, space=space, events=[], store=lambda: store)
    status = [SimpleNamespace(trial=0, state=State.FAIL), SimpleNamespace(trial=1, state=State.PARKED)]
    race: Any = SimpleNamespace(statuses=lambda: status)
    needs = [Need("checkpoints", tmp_path, 0, 1000), Need("journal", tmp_path.parent, 0, 7)]
    assert most_to_come(study, race, needs) == 970
    study.events = [Reopened(0, [0, 1])]
    assert most_to_come(study, race, needs) is None
    study.events, study.trials = [], 3
    assert most_to_come(study, race, needs) is None


def test_want_of_room_is_told_once_and_so_is_room(tmp_path: Path) -> None:
    said: list[str] = []
    watching = guard(tmp_path, 0, said)
    assert [watching.check(Leg(0, 0, 0, 1), True, [1]) for _ in range(3)] == [False] * 3
    assert len(said) == 1 and "no leg starts" in said[0]
    watching.free = lambda _: GB
    assert watching.check(Leg(0, 0, 0, 1), True, [1])
    assert len(said) == 2 and "there is room again" in said[1]


def test_a_disk_that_says_nothing_of_itself_holds_nothing_back(tmp_path: Path) -> None:
    watching = guard(tmp_path, 0, [])

    def silent(path: Path) -> int:
        raise OSError("no statvfs")

    watching.free = silent
    assert watching.check(Leg(0, 0, 0, 1), True, [])


@pytest.mark.parametrize("after", [1, 17])
def test_a_search_stops_before_the_disk_is_full_and_resume_ends_as_if_nothing_had_been(
    after: int, space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], free: Any
) -> None:
    study = tmp_path / "a"

    def left() -> int:
        begun = study.exists() and len(events(study, "epoch_ended")) >= after
        return FLOOR if begun else GB

    free(left)
    assert tune(space_file, faces, tmp_path, "--study", "a") == 2
    told = capsys.readouterr().err
    assert "256.0 kB free" in told and "everything finished is saved" in told and "--resume" in told
    ended = [event["event"] for event in map(dict, events(study, "closed"))]
    assert ended == ["closed"] and len(events(study, "epoch_ended")) >= after
    free(lambda: GB)
    assert main(["--resume", "--study", "a", "--runs", str(tmp_path), "--inline"]) == 0
    check_consistent(study, folds=3, max_t=4)
    assert tune(space_file, faces, tmp_path, "--study", "whole") == 0
    assert curves(study) == curves(tmp_path / "whole")
    assert Study(study).leaderboard().equals(Study(tmp_path / "whole").leaderboard())


@pytest.mark.parametrize("rule", ["sequential_cv", "exhaustive", "fold_asha"])
def test_a_search_that_writes_no_more_than_was_said_ends_where_just_that_is_free(
    rule: str, space_file: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: Any
) -> None:
    most, small = _most_said(monkeypatch), PixelTrainable.state
    grown = {"moments": np.zeros(25_000)}  # states are most of what is written, as with AdamW
    monkeypatch.setattr(PixelTrainable, "state", lambda self: save({**load(small(self)), **grown}))
    words = ["--trials", "9", "--rule", rule]
    assert tune(space_file, faces, tmp_path, "--study", "whole", *words) == 0
    in_store = most["checkpoints"] + most["predictions"]
    store, least = tmp_path / "a" / "checkpoints", [2 * GB]

    def left() -> int:  # as if the journal had all its bytes from the start but those that are still needed
        least.append(in_store + FLOOR - sum(path.stat().st_size for path in store.rglob("*.*")))
        return least[-1]

    free(left)
    assert tune(space_file, faces, tmp_path, "--study", "a", *words) == 0
    assert min(least) > FLOOR and curves(tmp_path / "a") == curves(tmp_path / "whole")


def _most_said(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What is needed -> its bytes at most, as a search says it once its checkpoints are measured."""
    said: dict[str, int] = {}

    def noted(disks: Sequence[Disk], **more: Any) -> str:
        said.update({need.what: need.most for disk in disks for need in disk.needs})
        return disk_line(disks, **more)

    monkeypatch.setattr("orchestrator.tune.disk.disk_line", noted)
    return said


def test_what_is_told_of_the_finalists_alone_works(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], free: Any
) -> None:
    study = tmp_path / "a"
    free(lambda: 300_000 if study.exists() and len(events(study, "epoch_ended")) >= 6 else GB)
    assert tune(space_file, faces, tmp_path, "--study", "a") == 2
    (number,) = [word for word in capsys.readouterr().err.split() if word.isdigit()]
    free(lambda: GB)
    words = ["--resume", "--study", "a", "--runs", str(tmp_path), "--inline", "--max-fold-epochs", number]
    assert main(words) == 0
    assert len(Study(study).complete_trials()) == 2
