"""Fold runs are measured in processes of their own; whatever those do, the search goes on and says so."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import CostTable, FoldRunCost
from orchestrator.core.trainable import Resources
from orchestrator.execution import probe_process, probe_run, probing
from orchestrator.execution.probe_cache import CostCache, digest_of
from orchestrator.execution.probe_run import ProbeRun
from orchestrator.execution.probing import measured_costs, rates_together
from orchestrator.machine.private_folder import account_folder, private_folder
from tests.support import probed
from tests.support.probed import MIB, OF_ONE

NAME = "probed_here:Probed"
ONE = Resources()
LITTLE = 2 * MIB  # in which no estimate has room


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folds = np.array([0, 0, 1, 1], np.int16)
    labels = np.array([0, 1, 0, 1])
    paths = ("a", "b", "c", "d")
    return Dataset(str(tmp_path), paths, labels, folds, ("x", "y"), "accuracy", "max", "f", str(tmp_path))


@pytest.fixture(autouse=True)
def trainable_module(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's: its digest is of itself, where that of a module of `tests` is of all tests."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "probed_here.py").write_bytes(Path(probed.__file__).read_bytes())
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "probed_here", raising=False)


class Said(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)


def request(kind: str, size: int = 1) -> dict[str, Any]:
    return {
        "trainable": NAME,
        "config": {"kind": kind, "size": size},
        "classes": 2,
        "rows": 4,
        "resources": {"cpus": 1, "gpus": 0.0},
        "seconds": 1.0,
        "base_bytes": 0,
    }


def outcome(kind: str, room: int | None = None) -> FoldRunCost | str:
    with ProbeRun(request(kind), room) as run:
        ended = run.warm()
        return run.cost() if ended is None else ended


# ---- one process ----------------------------------------------------------------------------------


def test_what_a_trainable_prints_is_not_taken_for_its_cost() -> None:
    found = outcome("prints")
    assert isinstance(found, FoldRunCost) and found.images_per_second == OF_ONE


@pytest.mark.parametrize(
    "kind, said",
    [
        ("fails", "ValueError: no such\\nnetwork"),
        ("exits", "its process ended with exit code 7: library is broken"),
    ],
)
def test_a_probe_that_fails_says_why_in_one_line(kind: str, said: str) -> None:
    assert outcome(kind) == said


@pytest.mark.parametrize("kind", ["runs_out_of_memory", "is_killed"])
def test_one_that_has_no_memory_is_an_answer(kind: str) -> None:
    found = outcome(kind)
    assert isinstance(found, FoldRunCost) and not found.fits


def test_one_that_takes_more_than_there_is_room_for_is_ended() -> None:
    found = outcome("takes_much", room=150 * MIB)
    assert isinstance(found, FoldRunCost) and not found.fits and found.resident_bytes > 150 * MIB


def test_one_that_takes_too_long_is_ended_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_run, "LIMIT_S", 0.1)
    with ProbeRun(request("hangs")) as run:
        assert run.warm() == "it was still measuring after 0.1 seconds"
        pid = run._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files of this process lie, and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("orchestrator.machine.private_folder.LONGEST", 500)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    return tmp_path


def wait_for_pixels(place: Path) -> None:
    until = time.monotonic() + 120
    while not [*place.rglob("pixels")]:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_one_that_is_ended_leaves_no_files(place: Path) -> None:
    with ProbeRun(request("draws_a_folder_and_hangs")):
        wait_for_pixels(place)
    assert not [*account_folder().iterdir()]


def test_one_whose_search_is_killed_ends_and_leaves_no_files(place: Path) -> None:
    """The end of the pipe is all that it hears of a death."""
    with ProbeRun(request("draws_a_folder_and_hangs")) as run:
        wait_for_pixels(place)
        assert run._process.stdin is not None
        run._process.stdin.close()
        run._process.wait(120)
        assert not [*place.rglob("pixels")]


def test_what_one_left_that_was_killed_with_its_search_the_next_command_removes(place: Path) -> None:
    with ProbeRun(request("draws_a_folder_and_hangs")) as run:
        wait_for_pixels(place)
        run._process.kill()
        run._process.wait(120)
        assert [*place.rglob("pixels")]
        for lock in account_folder().glob("*.lock"):
            lock.unlink()  # as its holder's death leaves it: held by nobody
        with private_folder():
            assert not [*place.rglob("pixels")]


def test_one_that_closes_its_output_and_goes_on_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_run, "LIMIT_S", 0.5)
    assert outcome("says_no_more") == "it was still measuring after 0.5 seconds"


# ---- a space --------------------------------------------------------------------------------------


def values(**given: Any) -> dict[str, Any]:
    return {"kind": ("fine",), "size": (1,), "lr": (0.1, 1.0), **given}


def costs(dataset: Dataset, said: Said, room: int | None = LITTLE, **given: Any) -> CostTable | None:
    return measured_costs(NAME, dataset, values(**given), ONE, 4, room, say=said)


def test_a_space_that_fits_for_certain_is_not_measured(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "ProbeRun", None)  # nothing can be started
    said = Said()
    table = costs(dataset, said, room=4 * 3 * MIB, size=(1, 2))
    assert table is not None and not said
    assert table.of({"size": 2}) == FoldRunCost(2 * MIB, 0, 0.0, 0.0)
    assert costs(dataset, said, room=None) is not None


@pytest.mark.parametrize("slots, is_measured", [(4, False), (5, True)])
def test_it_is_measured_where_half_as_much_again_would_not_fit(
    slots: int, is_measured: bool, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(probing._Prober, "cost", lambda _, spaces, case: asked.append(case))
    measured_costs(NAME, dataset, values(size=(2,)), ONE, slots, 12 * MIB)
    assert bool(asked) == is_measured


def test_the_ends_of_a_space_are_measured_once_and_a_failing_kind_is_told(dataset: Dataset) -> None:
    said, seen = Said(), list[tuple[int, int]]()
    given = values(kind=("fine", "fails"), size=(10, 30, 50))

    def progress(done: int, total: int) -> None:
        seen.append((done, total))

    room = 2**31  # a process may hold; by 1500 slots each has less than its estimate
    table = measured_costs(NAME, dataset, given, ONE, 1500, room, progress, 100 * MIB, said)
    assert table is not None
    assert sorted(item.case.size for item in table.measured) == [10.0, 50.0, 50.0]
    failed = table.of({"kind": "fails", "size": 50})
    assert failed == FoldRunCost(150 * MIB, 0, 0.0, 0.0), "the estimate"
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    middle = table.of({"kind": "fine", "size": 30})
    assert middle is not None and middle.resident_bytes == pytest.approx(130 * MIB, abs=5 * MIB)
    told = "what a fold run costs was not measured for kind=fails, size=50: ValueError: no such\\nnetwork"
    assert said[0] == told and len(said) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "ProbeRun", None)
        again = measured_costs(NAME, dataset, values(size=(10, 50)), ONE, 1500, room, None, 100 * MIB, said)
    assert again is not None and set(again.measured) < set(table.measured)


def test_kinds_beyond_the_most_that_are_measured_are_told(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(probing._Prober, "cost", lambda *_: FoldRunCost(1, 0, 1.0, 1.0))
    table = costs(dataset, said, kind=tuple(f"kind {number}" for number in range(9)), size=(5, 6))
    assert table is not None and len(table.measured) == 8
    assert said == ["10 kinds of fold runs count as the largest one that was measured"]


def test_a_kind_without_an_estimate_is_measured(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(probing._Prober, "cost", lambda _, spaces, case: asked.append(case))
    assert costs(dataset, Said(), room=2**40, kind=("has no estimate",)) is None
    assert len(asked) == 1


def test_what_did_not_fit_is_tried_again_the_next_time(dataset: Dataset) -> None:
    said = Said()
    table = costs(dataset, said, kind=("is_killed",))
    assert table is not None and not table.measured[0].cost.fits and not said
    assert not list(Path(dataset.cache_dir).glob("costs/*"))


@pytest.mark.parametrize("name, lines", [("Silent", 0), ("Unsure", 1)])
def test_a_trainable_that_cannot_say_costs_nothing(name: str, lines: int, dataset: Dataset) -> None:
    said = Said()
    trainable = f"probed_here:{name}"
    assert measured_costs(trainable, dataset, values(), ONE, 4, LITTLE, say=said) is None
    assert rates_together(trainable, dataset, values(), ONE, 2, say=said) is None
    assert len(said) == 2 * lines


# ---- together -------------------------------------------------------------------------------------


def test_fold_runs_that_share_a_gpu_begin_at_one_moment_and_count_together(dataset: Dataset) -> None:
    """Each trains at the rate of its part, so both together are as fast as one alone."""
    whole, said = Resources(1, 1.0), Said()
    assert rates_together(NAME, dataset, values(), whole, 2, say=said) == 1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "ProbeRun", None)  # both are known now
        assert rates_together(NAME, dataset, values(), whole, 2, say=said) == 1.0
        assert rates_together(NAME, dataset, values(), whole, 2, say=said, at_most=1) is None
    assert not said


def test_one_that_fails_in_company_is_told(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    alone = FoldRunCost(1, 1, 1.0, OF_ONE)
    monkeypatch.setattr(probing._Prober, "cost", lambda *_: alone)
    assert rates_together(NAME, dataset, values(kind=("runs_out_of_memory",)), ONE, 2, say=said) is None
    assert len(said) == 1
    assert said[0].startswith(
        "2 fold runs together were not measured for kind=runs_out_of_memory: it does not"
    )


GIB = 2**30


@pytest.mark.parametrize(
    "ours, used, held",
    [
        ((700 * MIB,), 9 * GIB, 700 * MIB),  # as nvidia-smi says of this process
        ((), 3 * GIB, GIB),  # it says nothing of it: 2 GiB were in use before
        ((), 2 * GIB, probe_process.CONTEXT_GUESS),  # somebody left meanwhile
    ],
)
def test_what_a_probe_holds_of_a_gpu_beside_its_tensors(
    ours: tuple[int, ...], used: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def cards(own: Any) -> list[Any]:
        asked.append(own)
        return [(80 * GIB, used, ours)]

    monkeypatch.setattr(probe_process, "gpu_memory", cards)
    assert probe_process.held_of_gpu(2 * GIB) == held and asked == [(os.getpid(),)]


# ---- the cache ------------------------------------------------------------------------------------


def test_a_damaged_note_of_a_cost_is_measured_again(tmp_path: Path) -> None:
    cache, cost = CostCache(tmp_path), FoldRunCost(1, 2, 3.0, 4.0, fits=False)
    assert cache.get("d") is None
    cache.put("d", cost)
    assert cache.get("d") == cost
    whole = (tmp_path / "d.json").read_bytes()
    for end in range(len(whole) - 1):
        (tmp_path / "d.json").write_bytes(whole[:end])
        assert cache.get("d") is None
    (tmp_path / "d.json").write_text(json.dumps({"resident_bytes": -1}))
    assert cache.get("d") is None


def test_a_folder_that_takes_no_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    CostCache(tmp_path / "file").put("d", FoldRunCost(1, 2, 3.0, 4.0))


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"kind": "fine", "size": 2}},
        {"rows": 5},
        {"resources": {"cpus": 2, "gpus": 0.0}},
        {"trainable": "search_spaces.shared.faces:Other"},
    ],
)
def test_what_a_cost_follows_from_makes_another_digest(change: dict[str, Any]) -> None:
    assert digest_of(request("fine")) == digest_of(request("fine"))
    assert digest_of({**request("fine"), **change}) != digest_of(request("fine"))


def test_how_memory_is_kept_makes_another_digest_and_nothing_else_of_the_environment() -> None:
    plain = digest_of(request("fine"), {})
    assert digest_of(request("fine"), {"HOME": "/", "CUDA_VISIBLE_DEVICES": "3"}) == plain
    assert digest_of(request("fine"), {"MALLOC_ARENA_MAX": "2"}) != plain
