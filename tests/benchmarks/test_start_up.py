"""The time until the first epoch: what its benchmark reads and says, and that it leaves nothing running."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import start_up
from benchmarks.peers_records import Span, append
from benchmarks.peers_run import processes_of
from benchmarks.peers_setting import Setting
from benchmarks.start_up import Started, report, start

RECORD = """
import json, sys, time
from pathlib import Path
setting = json.loads(Path(sys.argv[1]).read_text())
folder, at = Path(setting["folder"]), setting["started"]
# As a search does: its steps are noted before an epoch is, and at the first epoch it is ended.
(folder / "steps-1.jsonl").write_text(json.dumps({"step": "reading rows", "at": at + 0.5}) + "\\n")
for kind, begin in (("build", at + 1), ("epoch", at + 2.5), ("epoch", at + 4)):
    line = {"kind": kind, "begin": begin, "end": begin + 1, "fold": 0, "process": 1}
    (folder / "spans-1.jsonl").open("a").write(json.dumps(line) + "\\n")
time.sleep(600)
"""


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting("ours", "fashion", 0, 5, str(tmp_path), str(tmp_path / "run"))


def runs(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(start_up, "command_of", lambda at: [sys.executable, "-c", program, str(at.write())])


def test_a_start_is_read_from_its_records_and_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    runs(monkeypatch, RECORD)
    found = start(setting)
    assert found.first_epoch == pytest.approx(2.5) and found.steps == pytest.approx({"reading rows": 0.5})
    assert not processes_of(setting.path)


def test_a_method_without_an_epoch_is_an_error_that_names_its_log(
    monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    runs(monkeypatch, "print('no room')")
    with pytest.raises(RuntimeError, match=rf"ours has begun no epoch; see {setting.path}/log.txt"):
        start(setting)
    assert (setting.path / "log.txt").read_text() == "no room\n"


def test_an_epoch_of_a_process_that_ends_with_it_is_seen(setting: Setting) -> None:
    def ends() -> int:
        append(setting.path / "spans-1.jsonl", asdict(Span("epoch", now + 2, now + 3, 0, 1)))
        return 0

    setting.path.mkdir()
    now = time.time()
    process: Any = SimpleNamespace(poll=ends)
    assert start_up._first_epoch(process, replace(setting, started=now)) == now + 2


def test_steps_are_noted_when_they_begin(monkeypatch: pytest.MonkeyPatch, setting: Setting) -> None:
    from orchestrator.progress import progress_bar

    def search(at: Setting, progress: str) -> None:
        with progress_bar("reading rows") as told:
            told(1, 2)
        append(at.path / "searched.jsonl", {"progress": progress})

    monkeypatch.setattr(start_up, "search", search)
    setting.write()
    start_up.noting_search(setting)
    [line] = start_up.lines_of(setting.path, "steps")
    assert line["step"] == "reading rows" and line["at"] > (setting.path / "setting.json").stat().st_mtime - 1


def test_the_report_has_medians_and_their_ratio_to_the_loop() -> None:
    starts = {
        "loop": [Started(10.0, {}), Started(12.0, {}), Started(50.0, {})],
        "asha": [Started(18.0, {})] * 3,
        "ours": [Started(9.0, {}), Started(5.0, {}), Started(6.0, {"b": 2.0, "a": 1.0})],
    }
    lines = report(starts)
    assert "| loop | 12.0 | 1.00 |" in lines and "| asha | 18.0 | 1.50 |" in lines
    assert "| ours | 6.0 | 0.50 |" in lines and lines[-2:] == ["| a | 1.0 |", "| b | 2.0 |"]
