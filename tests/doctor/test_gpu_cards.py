"""What doctor says of GPUs one by one, from drawn answers of nvidia-smi."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.finding import Finding, Level, Section
from orchestrator.doctor.gpu_cards import check_cards
from orchestrator.doctor.gpu_kernels import Kernels, check_kernels, kernels_for
from orchestrator.doctor.hardware import check_gpus, check_hardware
from orchestrator.machine.node_facts import NodeFacts
from tests.doctor.test_doctor import printed
from tests.machine.test_node_facts import HEAD
from tests.support.drawn_nvidia_smi import (
    LAPTOP_CARD,
    LISTED_SLICES,
    OLD_CARD,
    SLICED,
    card,
    log,
    process,
)

H100 = "NVIDIA H100 80GB HBM3"
TORCH: dict[str, Any] = {
    "cuda": "12.9",
    "free": [0.99],
    "error": "",
    "architectures": ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"],
    "devices": [[H100, 9, 0]],
}


def node(*cards: str, listed: str = "", **changed: Any) -> NodeFacts:
    return replace(HEAD, gpu_query=log(*cards), gpu_listed=listed, user="ann", **changed)


def findings(*cards: str, **changed: Any) -> list[Finding]:
    return check_cards(node(*cards, **changed), TORCH)


def but_ok(found: list[Finding]) -> list[Finding]:
    return [item for item in found if item.level is not Level.OK]


# ---- all is well ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 8])
def test_where_all_is_well_there_is_one_line_for_each_kind(number: int) -> None:
    found = findings(*(card(index) for index in range(number)))
    assert [(item.level, item.found) for item in found] == [
        (Level.OK, f"{number} x {H100}: compute capability 9.0, ECC on, persistence on, 700 W")
    ]


def test_a_card_at_its_power_limit_is_at_work() -> None:
    assert but_ok(findings(card(slowed=("sw_power_cap",)))) == []


def test_a_consumer_card_that_tells_little_is_nothing_to_complain_of() -> None:
    assert [item.topic for item in but_ok(findings(LAPTOP_CARD, gpu_owners={"26307": "ann"}))] == ["gpu use"]


def test_a_node_that_tells_no_more_than_names_has_no_further_lines() -> None:
    assert check_cards(HEAD, TORCH) == []


# ---- faults -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, level, expected",
    [
        ({"uncorrected": "2"}, Level.WARNING, "GPU 1: memory errors that ECC could not mend"),
        ({"remap_failed": "Yes"}, Level.BLOCKS, "GPU 1: faulty memory that can be replaced by no spare row"),
        ({"remap_pending": "Yes"}, Level.NOTE, "GPU 1: rows of its memory will be replaced"),
        ({"retirement": "Yes"}, Level.WARNING, "GPU 1: pages of its memory are faulty"),
        ({"recovery": "Reset"}, Level.BLOCKS, "GPU 1: the driver asks for a reset"),
    ],
)
def test_a_fault_names_its_card_and_the_way_out(changed: dict[str, Any], level: Level, expected: str) -> None:
    [found] = but_ok(findings(card(0), card(1, **changed)))
    assert (found.level, found.topic) == (level, "gpu state")
    assert found.found.startswith(expected)
    assert found.way_out


def test_a_faulty_card_that_is_hidden_is_no_trouble() -> None:
    [found] = but_ok(
        findings(card(0), card(1, remap_failed="Yes"), cuda_settings={"CUDA_VISIBLE_DEVICES": "0"})
    )
    assert (found.level, found.found) == (Level.NOTE, "CUDA_VISIBLE_DEVICES=0 leaves 1 of 2 GPUs")


def test_hiding_every_card_blocks() -> None:
    [found] = findings(card(0), cuda_settings={"CUDA_VISIBLE_DEVICES": "1"})
    assert (found.level, found.found) == (Level.BLOCKS, "CUDA_VISIBLE_DEVICES=1 leaves 0 of 1 GPU")


def test_what_nvidia_smi_remarks_is_passed_on() -> None:
    remark = "WARNING: infoROM is corrupted at gpu 0000:0B:00.0"
    facts = replace(HEAD, gpu_query=log(card(), after=remark))
    assert [item.found for item in but_ok(check_cards(facts, TORCH))] == [remark]


def test_an_answer_that_cannot_be_read_is_one_line() -> None:
    [found] = check_cards(replace(HEAD, gpu_query="<nvidia_smi_log><gpu>"), TORCH)
    assert found.level is Level.WARNING


# ---- speed ------------------------------------------------------------------------------------------


def test_a_card_that_is_slowed_down_says_by_what_and_how_hot() -> None:
    found = but_ok(findings(card(0), OLD_CARD))
    assert "GPU 1: slowed down now by heat, by the hardware and the hardware (heat or power), 88 C" in [
        item.found for item in found
    ]


def test_a_lowered_power_limit_and_no_persistence_are_notes() -> None:
    found = but_ok(findings(card(limit="400.00 W", persistence="Disabled")))
    assert [(item.level, item.topic) for item in found] == [(Level.NOTE, "gpu speed")] * 2
    assert "400 W of 700 W" in found[0].found
    assert "-pl 700" in found[0].way_out
    assert "-pm 1" in found[1].way_out


def test_numbers_of_cards_of_several_kinds_depend_on_who_counts() -> None:
    mixed = (card(0), OLD_CARD.replace(">Yes<", ">No<"))
    assert [item for item in findings(*mixed) if "CUDA_DEVICE_ORDER" in item.way_out]
    told = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert not [item for item in findings(*mixed, cuda_settings=told) if "CUDA_DEVICE_ORDER" in item.way_out]


# ---- who shares them --------------------------------------------------------------------------------


def test_programs_are_told_apart_by_whose_they_are_and_the_largest_comes_first() -> None:
    one = card(0, processes=process(11, "/opt/bin/python3.11 train.py", "2048 MiB") + process(12, "julia"))
    two = card(1, processes=process(13, "python", "40960 MiB") + process(14, "matlab", "[N/A]"))
    others, hidden, own = but_ok(findings(one, two, gpu_owners={"11": "ben", "12": "ann", "13": "ben"}))
    assert (others.level, others.found) == (
        Level.WARNING,
        "other people compute here: python of ben on GPU 1 (40.0 GiB), python3.11 of ben on GPU 0 (2.0 GiB)",
    )
    assert (hidden.level, hidden.found) == (
        Level.WARNING,
        "programs outside this container compute here: matlab on GPU 1",
    )
    assert (own.level, own.found) == (
        Level.NOTE,
        "programs of yours compute here: julia of ann on GPU 0 (512 MiB)",
    )


@pytest.mark.parametrize("name", ["a\x1b[2J\x07b", "a\u202eb"])
def test_a_name_cannot_steer_the_terminal(name: str) -> None:
    found = findings(card(processes=process(11, name)), gpu_owners={"11": "ben"})
    assert but_ok(found)
    assert not set(printed(Section("x", tuple(found)), 80)) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize(
    "mode, daemons, level",
    [
        ("Exclusive_Process", {}, Level.WARNING),
        ("Exclusive_Process", {"5": "ann"}, None),  # what MPS is meant for
        ("Prohibited", {}, Level.BLOCKS),
    ],
)
def test_a_compute_mode_that_forbids_sharing_is_told(
    mode: str, daemons: dict[str, str], level: Level | None
) -> None:
    found = [
        item for item in findings(card(compute_mode=mode), mps_daemons=daemons) if item.topic == "gpu mode"
    ]
    assert [item.level for item in found] == ([] if level is None else [level])


@pytest.mark.parametrize(
    "daemons, level, expected",
    [
        ({"5": "ann"}, Level.OK, "MPS daemon runs: yours"),
        ({"5": "root"}, Level.OK, "MPS daemon runs: of root"),
        ({"5": "ben"}, Level.WARNING, "MPS daemon runs: of ben"),
    ],
)
def test_whose_mps_daemon_it_is(daemons: dict[str, str], level: Level, expected: str) -> None:
    [found] = [item for item in findings(card(), mps_daemons=daemons) if item.topic == "mps"]
    assert found.level is level
    assert expected in found.found


# ---- MIG --------------------------------------------------------------------------------------------


def mig(*cards: str, **changed: Any) -> Finding:
    [found] = [item for item in findings(*cards, **changed) if item.topic == "mig"]
    return found


def test_slices_that_nobody_named_are_told_with_the_line_that_names_them() -> None:
    found = mig(SLICED, listed=LISTED_SLICES)
    assert found.level is Level.WARNING
    assert found.found.startswith("3 slices on GPU 0: 3 x 1g.10gb of 9.5 GiB; ")
    ids = [line.split("UUID: ")[1].rstrip(")") for line in LISTED_SLICES.splitlines()[1:]]
    assert f"CUDA_VISIBLE_DEVICES={','.join(ids)}`" in found.way_out


@pytest.mark.parametrize("listed", ["", LISTED_SLICES.rpartition("  MIG")[0]])
def test_slices_whose_names_are_not_all_told_get_no_line_to_paste(listed: str) -> None:
    """It would hide every GPU, or the slices that it leaves out."""
    found = mig(SLICED, listed=listed)
    assert found.level is Level.WARNING
    assert "CUDA_VISIBLE_DEVICES=`" not in found.way_out and "MIG-" not in found.way_out
    assert "`nvidia-smi -L`" in found.way_out and "--num-gpus=3" in found.way_out


def test_whole_gpus_that_the_line_with_slices_hides_are_named() -> None:
    assert mig(SLICED, card(1), card(2), listed=LISTED_SLICES).way_out.endswith("; it hides GPU 1, 2")
    assert "hides" not in mig(SLICED, listed=LISTED_SLICES).way_out


def test_slices_that_are_named_are_fine() -> None:
    named = {"CUDA_VISIBLE_DEVICES": "MIG-a686709d-6dc2-542a-8851-0d2508448c10"}
    found = mig(SLICED, listed=LISTED_SLICES, cuda_settings=named)
    assert (found.level, found.found.rpartition("; ")[2]) == (Level.OK, "1 used")


def test_mig_without_a_slice_blocks_and_one_that_waits_for_a_reset_is_told() -> None:
    assert mig(card(mig="Enabled")).level is Level.BLOCKS
    assert "only after a reset" in mig(card(mig="Disabled", mig_pending="Enabled")).found


# ---- kernels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "capability, architectures, expected",
    [
        ((8, 6), ["sm_80"], Kernels.BUILT),  # the same major number, a greater minor one
        ((8, 0), ["sm_86"], Kernels.NONE),
        ((9, 0), ["sm_80", "compute_80"], Kernels.TRANSLATED),
        ((12, 0), ["sm_80", "sm_90", "compute_90"], Kernels.TRANSLATED),
        ((12, 0), ["sm_80", "sm_90"], Kernels.NONE),
        ((6, 0), ["sm_75", "compute_75"], Kernels.NONE),
        ((9, 0), ["sm_90a"], Kernels.BUILT),
        ((10, 3), ["sm_100a", "compute_100a"], Kernels.NONE),  # for that card alone
        ((10, 3), ["sm_100f"], Kernels.BUILT),  # for its family
        ((9, 0), ["gfx90a"], Kernels.NONE),
    ],
)
def test_which_cards_a_build_of_torch_runs_on(
    capability: tuple[int, int], architectures: list[str], expected: Kernels
) -> None:
    assert kernels_for(capability, architectures) is expected


def test_a_card_that_this_torch_has_no_kernels_for_is_told_with_those_it_has() -> None:
    answer = {"architectures": ["sm_75", "sm_80"], "devices": [["NVIDIA GeForce GTX 1080", 6, 1]] * 2}
    [found] = check_kernels(answer)
    assert found.level is Level.WARNING
    assert "compute capability 6.1" in found.found
    assert "sm_75, sm_80" in found.found
    [slow] = check_kernels({"architectures": ["compute_50"], "devices": [["NVIDIA GeForce GTX 1080", 6, 1]]})
    assert slow.level is Level.NOTE


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"architectures": 3, "devices": "x"}, {"architectures": ["sm_80"], "devices": [[1, 2], "x"]}],
)
def test_a_torch_that_tells_nothing_of_kernels_is_no_finding(answer: dict[str, Any] | None) -> None:
    assert check_kernels(answer) == []


# ---- what nvidia-smi fails with ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem, expected",
    [
        (
            "Failed to initialize NVML: Driver/library version mismatch NVML library version: 550.144",
            "reboot",
        ),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "modprobe nvidia"),
        ("Failed to initialize NVML: Insufficient Permissions", "ls -l /dev/nvidia*"),
        ("Failed to initialize NVML: Unknown Error", "in a container"),
        (
            "Unable to determine the device handle for GPU0000:C1:00.0: Unknown Error",
            "does not answer: reboot",
        ),
        ("Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.", "fallen off the bus"),
        ("it gave no answer within 10 s", "the driver hangs"),
        ("something new", "repair the NVIDIA driver"),
    ],
)
def test_the_way_out_fits_what_nvidia_smi_said(problem: str, expected: str) -> None:
    found = check_gpus(replace(HEAD, gpus=(), gpu_problem=f"nvidia-smi: {problem}"), None)
    assert found.level is Level.BLOCKS
    assert expected in found.way_out


def test_the_lines_of_cards_follow_the_line_of_gpus() -> None:
    found = check_hardware(node(card(0)), TORCH)
    assert [item.topic for item in found][-2:] == ["gpu", "gpu"]
    text = printed(Section("here", tuple(found)), 80)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_torch_that_runs_on_no_kernel_of_the_card_is_told_to_be_another_build() -> None:
    error = "RuntimeError: CUDA error: no kernel image is available for execution on the device"
    found = check_gpus(HEAD, {**TORCH, "error": error})
    assert "install the build" in found.way_out
