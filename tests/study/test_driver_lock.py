"""Whether a study is driven is seen without taking part, and its lock is held whatever its journal is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import StudyError
from orchestrator.study import Study, driver_lock
from orchestrator.study.driver_lock import held, is_driven
from tests.support.drawn_study import draw_study


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_study(tmp_path_factory.mktemp("locks") / "a", trials=2, folds=2, max_t=1, rows=24)


def test_a_study_is_driven_from_open_to_close(drawn: Path) -> None:
    assert not is_driven(drawn)
    study = Study.open(drawn)
    assert is_driven(drawn)
    study.close()
    assert not is_driven(drawn)


def test_who_holds_it_keeps_drivers_out_and_drivers_keep_him_out(drawn: Path) -> None:
    with held(drawn), pytest.raises(StudyError, match="driven by another process"):
        Study.open(drawn)
    study = Study.open(drawn)
    with pytest.raises(StudyError, match="driven by another process"), held(drawn):
        pass
    study.close()


def test_a_damaged_journal_and_none_can_be_held_and_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("{")
    with held(tmp_path):
        assert is_driven(tmp_path)
    (tmp_path / "journal.jsonl").unlink()
    with held(tmp_path):
        pass
    assert not (tmp_path / "journal.jsonl").exists()


@pytest.mark.parametrize(
    "text", ["", "1: FLOCK\n", "1: POSIX  ADVISORY  WRITE 1 fe:00:5 0 EOF\n", "x: FLOCK a b c d\n"]
)
def test_what_the_system_does_not_say_counts_as_not_driven(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "locks").write_text(text)
    for path in (tmp_path / "locks", tmp_path / "none"):
        monkeypatch.setattr(driver_lock, "LOCKS", path)
        assert not is_driven(drawn)
