"""The journal: appended whole or not at all, read while it is written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from orchestrator.core.errors import StorageError, StudyError
from orchestrator.core.events import Closed, EpochEnded, Event, LegStarted, Opened, Resumed, to_json
from orchestrator.study.journal import JournalReader, JournalWriter, has_journal, time_begun
from tests.support.journals import unsealed

OPENED = Opened({"format": 1, "name": "age", "space": {"metric": "macro_f1", "mode": "max"}})
LEG: list[Event] = [LegStarted(3, 1, 0, 1), EpochEnded(3, 1, 1, 0.1)]


def write(study: Path, *events: Event) -> Path:
    study.mkdir(parents=True, exist_ok=True)
    with (study / "journal.jsonl").open("a") as file:
        for event in events:
            file.write(json.dumps({"time": 1.79e9, **to_json(event)}) + "\n")
    return study


def test_a_line_that_is_still_being_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    study = write(tmp_path / "s", OPENED)
    tail = JournalReader(study / "journal.jsonl")
    assert tail.new_events() == [OPENED]
    line = json.dumps({"time": 1.0, **to_json(Resumed())}) + "\n"
    for part, events in ((line[:9], []), (line[9:], [Resumed()])):
        with (study / "journal.jsonl").open("a") as file:
            file.write(part)
        assert tail.new_events() == events


def test_a_corrupt_line_in_the_middle_is_named(tmp_path: Path) -> None:
    study = write(tmp_path / "s", OPENED)
    with (study / "journal.jsonl").open("a") as file:
        file.write("{broken\n")
    tail = JournalReader(write(study, Resumed()) / "journal.jsonl")
    with pytest.raises(StudyError, match=r"journal\.jsonl:2: not a journal line at byte \d+"):
        tail.new_events()


@pytest.mark.parametrize("torn", ["3", "[]", '"text"', "{}", '{"event": "epoch_en'])
def test_a_last_line_that_is_no_event_is_left_until_it_is_whole(tmp_path: Path, torn: str) -> None:
    """The next driver cuts it off; whoever reads along has what came before it."""
    study = write(tmp_path / "s", OPENED, *LEG)
    with (study / "journal.jsonl").open("a") as file:
        file.write(f"{torn}\n")
    tail = JournalReader(study / "journal.jsonl")
    assert tail.new_events() == [OPENED, *LEG]
    assert tail.new_events() == []


def test_what_is_written_is_read_back_with_the_time_of_the_first_line(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal.jsonl")
    writer.append(OPENED)
    writer.append(*LEG)
    writer.close()
    reader = JournalReader(tmp_path / "journal.jsonl")
    assert reader.new_events() == [OPENED, *LEG]
    assert reader.bytes_read == (tmp_path / "journal.jsonl").stat().st_size
    assert reader.started == time_begun(tmp_path)


@pytest.mark.parametrize(("moment", "there"), [("write", [OPENED]), ("fsync", [OPENED, *LEG])])
def test_after_an_interrupt_amid_an_append_the_end_can_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, there: list[Event]
) -> None:
    """Events that were written before it are noted; of others there is nothing."""
    writer, real = JournalWriter(tmp_path / "journal.jsonl"), getattr(os, moment)
    writer.append(OPENED)

    def interrupted(file: int, *data: memoryview) -> None:
        real(file, *(part[:20] for part in data))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.append(*LEG)
    monkeypatch.undo()
    writer.append(Closed("interrupted", ""))
    assert JournalReader(tmp_path / "journal.jsonl").new_events() == [*there, Closed("interrupted", "")]


def test_events_that_do_not_fit_on_the_disk_leave_nothing_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, path = JournalWriter(tmp_path / "journal.jsonl"), tmp_path / "journal.jsonl"
    writer.append(OPENED)
    before = path.read_bytes()
    write_all = os.write

    def write_half(file: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_all(file, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_half)
        with pytest.raises(StorageError, match=r"journal\.jsonl: No space left on device; correct that"):
            writer.append(*LEG)
    assert path.read_bytes() == before
    writer.append(*LEG)
    assert JournalReader(path).new_events() == [OPENED, *LEG]


def test_a_study_has_begun_when_its_first_line_is_whole(tmp_path: Path) -> None:
    assert (has_journal(tmp_path), time_begun(tmp_path)) == (False, None)
    (tmp_path / "journal.jsonl").write_text('{"time": 1.0, "event": "ope')
    assert (has_journal(tmp_path), time_begun(tmp_path)) == (False, None)
    study = write(tmp_path / "s", OPENED)
    assert (has_journal(study), time_begun(study)) == (True, 1.79e9)


@pytest.mark.parametrize("number", range(len(LEG) + 1))
def test_a_line_in_which_a_character_changed_is_refused_with_how_far_the_journal_is_good(
    tmp_path: Path, number: int
) -> None:
    writer, path = JournalWriter(tmp_path / "journal.jsonl"), tmp_path / "journal.jsonl"
    writer.append(OPENED, *LEG, Closed("finished"))
    lines = path.read_bytes().splitlines(keepends=True)
    digits = [at for at, sign in enumerate(lines[number]) if chr(sign).isdigit()]
    for at in digits[:: max(len(digits) // 8, 1)]:
        other = b"%d" % ((int(chr(lines[number][at])) + 1) % 10)
        changed = lines[number][:at] + other + lines[number][at + 1 :]
        path.write_bytes(b"".join([*lines[:number], changed, *lines[number + 1 :]]))
        with pytest.raises(
            StudyError, match=rf"(?s)journal\.jsonl:{number + 1}: .*as its checksum says.*restore"
        ):
            JournalReader(path).new_events()


def test_lines_without_a_checksum_are_read_as_versions_until_0_3_wrote_them(tmp_path: Path) -> None:
    writer, path = JournalWriter(tmp_path / "journal.jsonl"), tmp_path / "journal.jsonl"
    writer.append(OPENED, *LEG)
    assert path.read_text().count('"crc": "') == 1 + len(LEG)
    path.write_text(unsealed(path.read_text()))
    assert JournalReader(path).new_events() == [OPENED, *LEG]
    writer.close()
    JournalWriter(path).append(Closed("finished"))
    assert JournalReader(path).new_events() == [OPENED, *LEG, Closed("finished")]


def test_a_line_laid_out_anew_is_refused_as_changed(tmp_path: Path) -> None:
    writer, path = JournalWriter(tmp_path / "journal.jsonl"), tmp_path / "journal.jsonl"
    writer.append(OPENED, *LEG)
    path.write_text("".join(f"{json.dumps(json.loads(line), indent=None, separators=(',', ':'))}\n"
                            for line in path.read_text().splitlines()))  # fmt: skip
    with pytest.raises(StudyError, match="changed after it was written"):
        JournalReader(path).new_events()
