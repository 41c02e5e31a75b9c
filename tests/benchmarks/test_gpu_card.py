"""What benchmarks.gpu reads of a card, from drawn answers of nvidia-smi."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.gpu import card as card_stage
from benchmarks.gpu import choice, machine, taken
from benchmarks.gpu.limits import FAIL, NOT_RUN, PASS
from benchmarks.gpu.records import Recorder, read_records
from benchmarks.gpu.setting import RESNET18, Deadline, Setting, full_setting
from orchestrator.execution.packing import Limit
from tests.support.drawn_nvidia_smi import card, log, process, put_nvidia_smi

pytestmark = pytest.mark.torch


def in_front(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def doctor_says(tmp_path: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, float | None]:
    put_nvidia_smi(tmp_path, answer)
    in_front(tmp_path, monkeypatch)
    card_stage._as_the_doctor_sees_it(Recorder(tmp_path / "a.jsonl", dry=False))
    rows = read_records(tmp_path / "a.jsonl")
    assert next(row["value"] for row in rows if row["kind"] == "fact").strip() == answer.strip()
    return next((row["status"], row["value"]) for row in rows if row["kind"] == "check")


def test_the_whole_answer_is_kept_and_its_cards_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor_says(tmp_path, log(card(0), card(1)), monkeypatch) == (PASS, 2)


def test_an_answer_that_doctor_cannot_read_fails_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor_says(tmp_path, "<nvidia_smi_log><gpu>", monkeypatch) == (FAIL, 0.0)


def test_a_card_without_nvidia_smi_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    card_stage._as_the_doctor_sees_it(Recorder(tmp_path / "a.jsonl", dry=False))
    assert [row["status"] for row in read_records(tmp_path / "a.jsonl")] == [NOT_RUN]


def test_another_process_on_the_card_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = "75000 MiB"
    put_nvidia_smi(tmp_path, log(card(0, used=used, processes=process(1, "python3", used))))
    in_front(tmp_path, monkeypatch)
    assert "python3" in taken.told()


SMI = """#!/bin/sh
case "$*" in
    *clocks_event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field'; exit 2;;
    *clocks_throttle_reasons*) echo 0x0000000000000024;;
    *) echo '535.1, 10, 1980, 1980, 41, [N/A], 700.00, Enabled, Default, Disabled';;
esac
"""


def test_an_older_drivers_spelling_of_throttling_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    in_front(tmp_path, monkeypatch)
    found = machine.card_now("GPU-1")
    assert found["throttling"] == "power cap, thermal (software)"
    assert (found["driver"], found["power, W"], found["MIG"]) == ("535.1", "[N/A]", "Disabled")


def probed(tmp_path: Path, rates: Mapping[int, float], monkeypatch: pytest.MonkeyPatch, at: float) -> object:
    def together(*args: object, **_: object) -> float | None:
        return rates.get(int(str(args[4])))

    monkeypatch.setattr(choice, "rates_together", together)
    setting: Setting = full_setting(tmp_path, 10.0, False)
    recorder, deadline = Recorder(tmp_path / "a.jsonl", dry=False), Deadline(at, clock=lambda: 0.0)
    return choice._rates(RESNET18, None, setting, deadline, Limit(8, "memory allows 8"), recorder)  # type: ignore[arg-type]


def test_the_choice_is_probed_as_a_search_probes_until_nothing_is_gained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probed(tmp_path, {2: 1.8, 4: 2.0, 8: 9.0}, monkeypatch, at=1.0) == {2: 1.8, 4: 2.0}


def test_a_probe_for_which_time_ran_out_is_cut_and_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probed(tmp_path, {2: 1.8}, monkeypatch, at=-1.0) is None
    assert [row["kind"] for row in read_records(tmp_path / "a.jsonl")] == ["cut"]
