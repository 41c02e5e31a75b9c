"""A study has one driver, also where its lock was deleted; a journal that two wrote is told of."""

from __future__ import annotations

import errno
import re
import shutil
from itertools import chain, zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.core.errors import StorageError, StudyError
from orchestrator.core.events import Action, Closed, Decided, Event, Resumed
from orchestrator.execution import worker
from orchestrator.race import RULES, RaceConfig, make_race
from orchestrator.study import journal
from orchestrator.study.sequence import first_misfit
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.scenes import Storm

MADE = Path(__file__).with_name("made_by_0_1")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(MADE / "data", tmp_path / "data")
    return shutil.copytree(MADE / "studies", tmp_path / "runs")


def resume(runs: Path, study: str = "killed") -> int:
    words = ["--resume", "--study", study, "--runs", str(runs), "--inline"]
    return tune([*words, "--data-root", str(runs.parent / "data")])


def leaderboard(study: Path) -> list[tuple[int, float]]:
    return [(trial.number, trial.score) for trial in Study(study).complete_trials()]


def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that knows none for the journal."""

    def flock(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(journal, "fcntl", SimpleNamespace(flock=flock, LOCK_EX=2, LOCK_NB=4))


def test_a_deleted_lock_lets_no_second_driver_in(runs: Path) -> None:
    first = Study.open(runs / "killed")
    (runs / "killed" / "lock").unlink()
    with pytest.raises(StudyError, match="is being driven by another process, though its lock was deleted"):
        Study.open(runs / "killed")
    first.close()
    Study.open(runs / "killed").close()


def remove_lock(study: Path) -> None:
    (study / "lock").unlink()


def replace_lock(study: Path) -> None:
    (study / "lock").rename(study / "old")
    (study / "lock").touch()


def remove_journal(study: Path) -> None:
    (study / "journal.jsonl").rename(study / "old")


def restore_journal(study: Path) -> None:
    shutil.copy(study / "journal.jsonl", study / "old")
    (study / "old").replace(study / "journal.jsonl")


def write_too(study: Path) -> None:
    with (study / "journal.jsonl").open("a") as file:
        file.write('{"time": 1.0, "event": "resumed"}\n')


@pytest.mark.parametrize(
    "act, said",
    [
        (remove_lock, "lock was removed or replaced"),
        (replace_lock, "lock was removed or replaced"),
        (remove_journal, r"journal\.jsonl was removed or replaced"),
        (restore_journal, r"journal\.jsonl was removed or replaced"),
        (write_too, r"journal\.jsonl has \d+ bytes, not \d+: something else wrote to it"),
    ],
)
def test_a_driver_writes_to_no_file_that_is_not_the_one_it_holds(runs: Path, act: Any, said: str) -> None:
    study = Study.open(runs / "killed")
    study.append(Resumed())
    act(runs / "killed")
    file = runs / "killed" / "journal.jsonl"
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(StorageError, match=f"{said}.*so it stops.*--resume"):
        study.append(Closed("finished"))
    assert (file.read_bytes() if file.exists() else None) == before
    study.close()


@pytest.mark.parametrize("locks", [True, False])
def test_a_search_whose_lock_is_deleted_stops_and_is_resumed_to_the_same_scores(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], locks: bool
) -> None:
    if not locks:
        no_locks(monkeypatch)
    original, left = worker.FoldRunWorker.step, [5]

    def step(self: worker.FoldRunWorker) -> Any:
        left[0] -= 1
        if left[0] == 0:
            (runs / "killed" / "lock").unlink()
        return original(self)

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    assert resume(runs) == 2
    error = capsys.readouterr().err
    assert "lock was removed or replaced while this command drove the study" in error
    assert len(error.strip().splitlines()) <= 2
    assert resume(runs) == 0
    assert leaderboard(runs / "killed") == leaderboard(runs / "complete")


def test_a_journal_that_two_drivers_wrote_says_how_far_it_is_good(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (runs / "killed" / "journal.jsonl").read_bytes().splitlines(keepends=True)[:-1]
    told = []
    for name in ("one", "two"):
        shutil.copytree(runs / "killed", runs / name)
        assert resume(runs, name) == 0
        told.append((runs / name / "journal.jsonl").read_bytes().splitlines(keepends=True)[len(common) :])
    mixed = [line for line in chain(*zip_longest(*told)) if line is not None]
    file = runs / "killed" / "journal.jsonl"
    file.write_bytes(b"".join([*common, *mixed]))
    capsys.readouterr()
    assert resume(runs) == 2
    error = capsys.readouterr().err
    found = re.search(
        r"journal\.jsonl:(\d+): .*two commands drove the study at once;\n.*head -n (\d+)\)", error
    )
    assert found is not None and int(found[1]) == int(found[2]) + 1 > len(common)
    assert len(error.strip().splitlines()) <= 2
    with pytest.raises(StudyError, match="two commands drove the study at once"):
        Study(runs / "killed")
    file.write_bytes(b"".join([*common, *mixed][: int(found[2])]))
    assert resume(runs) == 0
    assert leaderboard(runs / "killed") == leaderboard(runs / "complete")


class Journal(Storm):
    """A storm with the decisions that a driver notes."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.journal: list[Event] = []

    def take(self, event: Any) -> Any:
        decisions = super().take(event)
        noted = [item for item in decisions if item.action is not Action.CONTINUE or item.leg]
        self.journal += [event, *(Decided(item.action.value, item.trial, "", item.fold) for item in noted)]
        return decisions


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("seed", range(4))
def test_whatever_one_driver_after_the_other_writes_fits(rule: str, seed: int) -> None:
    race = make_race(rule, RaceConfig(trials=8, folds=3, max_t=5, finalists=2))
    storm = Journal(race, seed, 4, 11, trouble=0.15)
    storm.run()
    assert first_misfit(storm.journal) is None
    assert len(storm.journal) > 20


@pytest.mark.parametrize("seed", range(12))
def test_two_drivers_at_once_never_fit(seed: int) -> None:
    """Both took over the same study and went on with it, event by event."""
    stories = []
    for slots in (2, 3):
        race = make_race("fold_asha", RaceConfig(trials=8, folds=3, max_t=5, finalists=2))
        storm = Journal(race, seed, slots, 8, trouble=0.0)
        storm.run()
        stories.append([Resumed(), *storm.journal])
    mixed = [event for event in chain(*zip_longest(*stories)) if event is not None]
    misfit = first_misfit(mixed)
    assert misfit is not None and first_misfit(mixed[: misfit.number]) is None
    assert re.match(r"t\d{4}-f\d ", misfit.fault)
