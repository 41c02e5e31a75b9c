"""What is read of nvidia-smi's answers, from drivers of many years."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.machine import gpu_users, nvidia_smi
from orchestrator.machine.gpu_cards import parse_log, visible_cards
from orchestrator.machine.gpu_users import mps_daemons, owners_of
from orchestrator.machine.node_facts import NodeFacts, gather
from orchestrator.machine.nvidia_smi import Gpu, ask_nvidia_smi
from tests.machine.test_node_facts import HEAD
from tests.support.drawn_nvidia_smi import (
    LAPTOP_CARD,
    LISTED_SLICES,
    OLD_CARD,
    SLICED,
    card,
    log,
    process,
    put_nvidia_smi,
    uuid,
)


def test_a_card_of_a_server_is_read_whole() -> None:
    said = parse_log(
        log(card(slowed=("gpu_idle", "sw_power_cap"), processes=process(77, "/usr/bin/python3 x")))
    )
    [found] = said.cards
    assert (said.driver, said.cuda, said.remarks) == ("575.57.08", "12.9", ())
    assert (found.index, found.uuid, found.name) == (0, uuid(0), "NVIDIA H100 80GB HBM3")
    assert (found.memory_mib, found.used_mib, found.temperature_c) == (81559, 1, 41)
    assert (found.persistence, found.compute_mode, found.ecc, found.mig) == (
        *("Enabled", "Default"),
        *("Enabled", "Disabled"),
    )
    assert found.slowed == ("sw_power_cap",)  # idling is no loss
    assert (found.power_limit_w, found.default_power_limit_w) == (700.0, 700.0)
    assert (found.uncorrected, found.remap_pending, found.remap_failed, found.recovery) == (
        0,
        False,
        False,
        "",
    )
    assert [(item.pid, item.name, item.used_mib) for item in found.processes] == [(77, "python3", 512)]


def test_older_drivers_call_the_same_things_by_other_names() -> None:
    [found] = parse_log(log(OLD_CARD, driver="470.82.01", cuda="11.4")).cards
    assert found.slowed == ("hw_thermal_slowdown", "hw_slowdown", "sw_power_cap")
    assert (found.power_limit_w, found.uncorrected, found.retirement_pending) == (250.0, 2, True)
    assert (found.mig, found.remap_pending) == ("", False)


def test_what_a_consumer_card_does_not_tell_is_nothing_and_programs_that_draw_are_no_computing() -> None:
    [found] = parse_log(log(LAPTOP_CARD)).cards
    assert (found.ecc, found.mig, found.temperature_c, found.uncorrected, found.recovery) == (
        "",
        "",
        None,
        0,
        "",
    )
    assert (found.has_display, found.slowed) == (True, ())
    assert [(item.name, item.used_mib) for item in found.processes] == [("gjs", None)]


def test_each_slice_is_a_device_with_its_own_id_and_memory() -> None:
    [found] = parse_log(log(SLICED), LISTED_SLICES).cards
    assert [(part.name, part.memory_mib, part.uuid[:12]) for part in found.slices] == [
        ("1g.10gb", 9728, "MIG-a686709d"),
        ("1g.10gb", 9728, "MIG-53864714"),
        ("1g.10gb", 9728, "MIG-d5a46a2e"),
    ]
    [unnamed] = parse_log(log(SLICED)).cards  # -L failed
    assert [part.uuid for part in unnamed.slices] == ["", "", ""]


def test_lines_around_the_answer_are_kept_and_what_is_no_answer_is_refused() -> None:
    warned = "WARNING: infoROM is corrupted at gpu 0000:0B:00.0"
    assert parse_log(log(card(), after=warned + "\n")).remarks == (warned,)
    for text in ("", "No devices were found", "<nvidia_smi_log><gpu>", "<other/>x"):
        with pytest.raises(ValueError, match="no answer of nvidia-smi"):
            parse_log(text)


@pytest.mark.parametrize(
    "visible, expected",
    [
        (None, [0, 1, 2]),
        ("", []),
        ("2,0", [2, 0]),
        ("0,7,1", [0]),  # CUDA stops at the first that is none
        ("-1", []),
        (f"{uuid(1)}", [1]),
        ("GPU-15533,0", [1, 0]),  # the first digits do
        ("NoDevFiles", []),
    ],
)
def test_a_program_sees_the_cards_that_the_environment_names(
    visible: str | None, expected: list[int]
) -> None:
    cards = parse_log(log(card(0), card(1), card(2))).cards
    assert [found.index for found in visible_cards(cards, visible)] == expected


def test_a_slice_names_its_card() -> None:
    cards = parse_log(log(SLICED, card(1)), LISTED_SLICES).cards
    assert [found.index for found in visible_cards(cards, "MIG-53864714-0a66-5df2-9007-9268e30d9a72")] == [0]
    assert [found.index for found in visible_cards(cards, f"MIG-{uuid(1)}/7/0")] == [1]  # drivers before 470


# ---- the program ------------------------------------------------------------------------------------


def answer(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str, code: int = 0) -> nvidia_smi.NvidiaSmi:
    put_nvidia_smi(folder, *words, exit_code=code)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return ask_nvidia_smi()


def test_one_call_gives_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answer(tmp_path, monkeypatch, log(*(card(n) for n in range(8))))
    assert said.gpus == (Gpu("NVIDIA H100 80GB HBM3", 81559),) * 8
    assert (said.driver, said.cuda, said.problem, said.listed) == ("575.57.08", "12.9", None, "")
    assert "supported_clocks" not in said.query


def test_ids_of_slices_are_asked_for_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(tmp_path, monkeypatch, log(SLICED), LISTED_SLICES).listed == LISTED_SLICES


def test_a_damaged_inforom_is_no_reason_to_have_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned = "WARNING: infoROM is corrupted at gpu 0000:0B:00.0\n"
    said = answer(tmp_path, monkeypatch, log(card(), after=warned), code=nvidia_smi.INFOROM_DAMAGED)
    assert len(said.gpus) == 1
    assert parse_log(said.query).remarks == (warned.strip(),)


def test_a_driver_that_does_not_fit_its_library_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.144\n"
    said = answer(tmp_path, monkeypatch, words, code=18)
    assert said.problem == f"nvidia-smi: {' '.join(words.split())}"
    assert said.gpus == ()


def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(nvidia_smi, "NVIDIA_SMI_S", 0.2)
    assert "gave no answer" in str(ask_nvidia_smi().problem)


# ---- whose programs ---------------------------------------------------------------------------------


def test_owners_are_those_that_the_kernel_shows(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    query = log(card(processes=process(77, "python") + process(78, "python")))
    assert owners_of(query, tmp_path) == {"77": gpu_users.user_name(os.getuid())}
    assert owners_of("", tmp_path) == {}


def test_the_control_daemon_of_mps_is_found_by_its_name(tmp_path: Path) -> None:
    for pid, command in (
        (5, b"/usr/bin/nvidia-cuda-mps-control\0-d\0"),
        (6, b"vim\0nvidia-cuda-mps-control\0"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(command)
    assert mps_daemons(tmp_path) == {"5": gpu_users.user_name(os.getuid())}


def test_a_node_tells_what_its_cards_say_and_one_of_an_older_version_is_read_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_nvidia_smi(tmp_path, log(card(processes=process(os.getpid(), "python"))))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    facts = NodeFacts.from_json(gather().to_json())
    assert facts.gpu_owners == {str(os.getpid()): facts.user}
    assert facts.cuda_settings["CUDA_VISIBLE_DEVICES"] == "0"
    assert parse_log(facts.gpu_query).cards[0].ecc == "Enabled"
    newer = ("user", "gpu_query", "gpu_listed", "gpu_owners", "mps_daemons", "cuda_settings")
    older = {name: value for name, value in HEAD.to_json().items() if name not in newer}
    assert NodeFacts.from_json(older) == HEAD
    with pytest.raises(ValueError, match="not the facts of a node"):
        NodeFacts.from_json({**older, "gpu_owners": {"77": 0}})
