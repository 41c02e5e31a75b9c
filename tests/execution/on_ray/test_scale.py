"""What a report costs does not grow with the trials: counted, not timed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.synthetic_study import Checkpoints, Size, Slots, make_study
from orchestrator.core.events import Decided, LegStarted
from orchestrator.execution.driver import Driver
from orchestrator.progress import StudyContext, StudyView, state
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import make_sampler
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.study import Study

SIZES = [Size(12, 3, 6, 4), Size(48, 3, 6, 4)]


class Counted:
    """A store that counts what it is asked."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._store, name)


def driven(folder: Path, size: Size) -> tuple[Driver, Counted, Study]:
    """A whole study of fold runs that nobody trains, with a view on it that nobody looks at."""
    study, dataset = make_study(folder, size)
    race = make_race("fold_asha", RaceConfig(trials=size.trials, folds=size.folds, max_t=size.epochs))
    context = StudyContext("s", "macro_f1", "max", size.epochs, size.slots)
    view = StudyView(race, context, console=Console(quiet=True))
    driver = Driver(race, study, make_sampler("random", study.space, 0), dataset, view)
    store = driver.store = Counted(driver.store)
    files = Checkpoints(study.path / "checkpoints", dataset)
    for event in Slots(driver, size).epochs():
        files.store(event)
    assert race.done
    return driver, store, study


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_store_is_listed_once_for_each_fold_run_that_ever_ran(tmp_path: Path, size: Size) -> None:
    _, store, study = driven(tmp_path, size)
    ran = {(event.trial, event.fold) for event in study.events if isinstance(event, LegStarted)}
    stops = sum(isinstance(event, Decided) and event.action == "STOP" for event in study.events)
    assert store.asked["names"] <= len(ran) + stops
    assert len(ran) + stops < size.trials * size.folds  # asking about every fold run would be seen
    study.close()


def test_a_driver_that_takes_over_lists_the_store_once(tmp_path: Path) -> None:
    driver, store, study = driven(tmp_path, SIZES[1])
    before = store.asked["names"]
    driver.settle()
    assert store.asked["names"] == before + 1
    study.close()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_view_that_nobody_looks_at_goes_through_no_list_of_trials(
    tmp_path: Path, size: Size, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    original = state.with_running

    def counted(statuses: Any, slots: Any) -> Any:
        calls.append(1)
        return original(statuses, slots)

    monkeypatch.setattr(state, "with_running", counted)
    _, _, study = driven(tmp_path, size)
    assert not calls
    study.close()
