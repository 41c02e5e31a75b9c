"""What doctor says of one machine: the checks on facts, and the command itself."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, Level, Section, blocks, ok, summary, warning
from orchestrator.doctor.hardware import GIB, check_gpus, check_hardware
from orchestrator.doctor.local import check_address
from orchestrator.doctor.paths import check_data, check_runs, check_storage
from orchestrator.doctor.probe import json_output, ray_processes
from orchestrator.doctor.servers import check_rays
from orchestrator.doctor.show import show
from orchestrator.doctor.software import Wanted, check_software, parse_pins, wanted
from orchestrator.doctor.wandb_check import check_wandb
from tests.machine.test_node_facts import HEAD

ROOT = Path(__file__).parents[2]
ASKED = Wanted(">=3.11", {"ray": ">=2.55,<3", "torch": ">=2.6"}, {"ray": "2.60.0", "torch": "2.13.0"})
GOOD = {"ray": "2.60.0", "torch": "2.13.0+cu130"}


def only(findings: list[Finding], level: Level) -> list[Finding]:
    return [finding for finding in findings if finding.level is level]


def topic(findings: list[Finding], name: str) -> Finding:
    [found] = [finding for finding in findings if finding.topic == name]
    return found


# ---- versions ---------------------------------------------------------------------------------------


def test_what_is_asked_for_and_tested_is_fine_whatever_the_build() -> None:
    assert not only(check_software("3.11.7", GOOD, ASKED), Level.BLOCKS)
    assert not only(check_software("3.11.7", GOOD, ASKED), Level.WARNING)


@pytest.mark.parametrize(
    "python, installed, expected",
    [
        ("3.10.4", GOOD, "3.10.4, asked for: >=3.11"),
        ("3.11.7", {**GOOD, "torch": "2.5.1"}, "torch 2.5.1, asked for: >=2.6"),
        ("3.11.7", {"torch": "2.13.0"}, "ray is not installed"),
    ],
)
def test_what_is_outside_the_ranges_blocks(python: str, installed: Mapping[str, str], expected: str) -> None:
    [found] = only(check_software(python, installed, ASKED), Level.BLOCKS)
    assert expected in found.found
    assert found.way_out


def test_what_differs_from_the_constraints_is_a_warning_with_both_versions() -> None:
    [found] = only(check_software("3.11.7", {**GOOD, "ray": "2.61.0"}, ASKED), Level.WARNING)
    assert found.found == "ray 2.61.0 (tested: 2.60.0)"


def test_ranges_and_pins_are_those_of_the_project_or_of_what_is_installed(tmp_path: Path) -> None:
    asked = wanted(ROOT)
    assert asked.ranges["torch"] == ">=2.6"
    assert asked.python == ">=3.11"
    assert "wandb" not in asked.ranges  # an extra
    assert asked.pins["torch"] == parse_pins("# x\ntorch==2.13.0  # y\n")["torch"]
    elsewhere = wanted(tmp_path)
    assert elsewhere.pins == {}
    assert elsewhere.ranges.keys() >= {"torch", "ray"}


# ---- hardware ---------------------------------------------------------------------------------------


def test_a_server_with_room_has_nothing_to_complain_of() -> None:
    answer = {"cuda": "12.9", "free": [0.99], "error": ""}
    assert {finding.level for finding in check_hardware(HEAD, answer)} == {Level.OK}


@pytest.mark.parametrize(
    "name, changed, level",
    [
        ("shm", {"shm_bytes": 64 * 2**20, "shm_free_bytes": 64 * 2**20}, Level.WARNING),
        ("memory", {"memory_free_bytes": GIB}, Level.WARNING),
        ("temp", {"temp_free_bytes": 4 * GIB}, Level.WARNING),
        ("runs", {"runs_free_bytes": 9 * GIB}, Level.WARNING),
        ("runs", {"runs_free_bytes": GIB // 4}, Level.BLOCKS),
    ],
)
def test_too_little_of_something_is_said_with_the_way_out(
    name: str, changed: dict[str, Any], level: Level
) -> None:
    found = topic(check_hardware(replace(HEAD, **changed), {"free": [1.0]}), name)
    assert found.level is level
    assert found.way_out


def test_a_containers_small_shm_is_told_with_the_option_that_makes_it_larger() -> None:
    small = replace(HEAD, shm_bytes=64 * 2**20, shm_free_bytes=64 * 2**20, memory_free_bytes=100 * GIB)
    found = topic(check_hardware(small, {"free": [1.0]}), "shm")
    assert "64 MiB of 64 MiB free" in found.found
    assert "--shm-size=30g" in found.way_out


def test_a_server_of_terabytes_needs_no_more_shm_than_ray_takes() -> None:
    large = replace(HEAD, memory_free_bytes=2000 * GIB, shm_free_bytes=190 * GIB, shm_bytes=200 * GIB)
    assert topic(check_hardware(large, {"free": [1.0]}), "shm").level is Level.OK


def test_what_the_system_does_not_say_is_no_finding() -> None:
    unknown = {name: None for name in HEAD.to_json() if name.endswith("_bytes")}
    assert [finding.topic for finding in check_hardware(replace(HEAD, **unknown), None)] == ["gpu"]


def test_no_gpu_is_a_note() -> None:
    assert check_gpus(replace(HEAD, gpus=()), None).level is Level.OK


@pytest.mark.parametrize(
    "torch, level, expected",
    [
        ({"cuda": "12.9", "free": [0.9], "error": ""}, Level.OK, "uses 1"),
        ({"cuda": "12.9", "free": [0.2], "error": ""}, Level.WARNING, "20%"),
        ({"cuda": None, "free": [], "error": "AssertionError: not compiled"}, Level.BLOCKS, "built for CPUs"),
        ({"cuda": "13.1", "free": [], "error": "RuntimeError: old driver"}, Level.BLOCKS, "up to 13.0"),
        ({"cuda": "12.9", "free": [], "error": "it sees no GPU"}, Level.BLOCKS, "CUDA_VISIBLE_DEVICES"),
        ({"error": "No module named torch"}, Level.BLOCKS, "No module named torch"),
    ],
)
def test_gpus_that_torch_cannot_use_block_and_the_way_out_fits(
    torch: dict[str, Any], level: Level, expected: str
) -> None:
    found = check_gpus(HEAD, torch)
    assert found.level is level
    assert expected in found.found + found.way_out


def test_a_driver_that_does_not_answer_blocks() -> None:
    broken = replace(HEAD, gpus=(), gpu_problem="nvidia-smi: couldn't communicate with the NVIDIA driver")
    assert check_gpus(broken, None).level is Level.BLOCKS


# ---- other people's Ray -----------------------------------------------------------------------------


def process(proc: Path, pid: int, *words: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


def test_rays_are_found_by_their_processes_and_told_apart_by_folder(tmp_path: Path) -> None:
    session = "/tmp/ray/session_2026-11-21_13-30-51_776371_29821"
    process(tmp_path, 7, "/x/ray/gcs/gcs_server", f"--session-dir={session}", "--gcs_server_port=6379",
            "--node-ip-address=10.0.0.5")  # fmt: skip
    process(tmp_path, 31, "/x/ray/raylet/raylet", "--temp_dir=/tmp/ours/ray", "--gcs-address=10.0.0.1:6390")
    process(tmp_path, 32, "vim", "raylet")
    process(tmp_path, 33)
    rays = ray_processes(tmp_path)
    assert [(ray["pid"], ray["kind"], ray["temp_dir"], ray["gcs"]) for ray in rays] == [
        (7, "gcs_server", "/tmp/ray", "10.0.0.5:6379"),
        (31, "raylet", "/tmp/ours/ray", "10.0.0.1:6390"),
    ]
    other, own = check_rays(rays, "/tmp/ours/ray")
    assert other.level is Level.WARNING
    assert "/tmp/ray" in other.found
    assert "10.0.0.5:6379" in other.found
    assert "ray stop" in other.way_out
    assert own.level is Level.OK
    assert "ours" in own.found


def test_no_ray_is_said_too() -> None:
    assert [finding.level for finding in check_rays([], None)] == [Level.OK]


# ---- paths ------------------------------------------------------------------------------------------


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    assert check_runs(tmp_path / "not" / "yet").level is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_a_runs_folder_that_cannot_be_written_blocks() -> None:
    found = check_runs(Path("/proc/fold-orchestrator"))
    assert found.level is Level.BLOCKS
    assert "--runs" in found.way_out


def test_storage_is_written_read_and_left_empty(tmp_path: Path) -> None:
    assert check_storage(str(tmp_path / "store")).level is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_storage_that_cannot_be_written_blocks() -> None:
    found = check_storage("/proc/nowhere")
    assert found.level is Level.BLOCKS
    assert "/proc/nowhere" in found.found


def test_images_are_looked_for_under_the_root(faces: Path, tmp_path: Path) -> None:
    good = check_data(str(faces), None)
    assert [finding.level for finding in good.findings] == [Level.OK]
    assert (good.root, len(good.paths)) == (faces.parent, 60)
    (tmp_path / "faces.csv").write_text(faces.read_text())
    bad = check_data(str(tmp_path / "faces.csv"), None)
    assert [finding.level for finding in bad.findings] == [Level.BLOCKS]
    assert "60 of 60 images" in bad.findings[0].found
    assert [finding.level for finding in check_data(str(tmp_path / "faces.csv"), faces.parent).findings] == [
        Level.OK
    ]


def test_images_that_are_not_here_may_be_on_the_servers_and_a_wrong_table_is_wrong_anywhere(
    faces: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "faces.csv"
    moved.write_text(faces.read_text())
    away = check_data(str(moved), None, on_servers=True)
    assert [finding.level for finding in away.findings] == [Level.WARNING]
    assert (away.root, len(away.paths)) == (tmp_path, 60)
    wrong = check_data(str(tmp_path / "none.csv"), None, on_servers=True)
    assert [finding.level for finding in wrong.findings] == [Level.BLOCKS]


def test_an_address_answers_or_blocks(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert check_address(f"127.0.0.1:{server.getsockname()[1]}").level is Level.OK
    with socket.socket() as silent:  # a port that is given back may be another program's by now
        silent.bind(("127.0.0.1", 0))
        assert check_address(f"127.0.0.1:{silent.getsockname()[1]}").level is Level.BLOCKS
    with pytest.raises(InputError, match="HOST:PORT"):
        check_address("127.0.0.1")


# ---- wandb ------------------------------------------------------------------------------------------

KEY = {"WANDB_API_KEY": "x" * 40}


@pytest.mark.parametrize(
    "environ, installed, problem, level, expected",
    [
        ({}, False, "", Level.OK, "not installed"),
        ({"WANDB_MODE": "online"}, False, "", Level.WARNING, "not installed"),
        ({"HOME": "/nowhere"}, True, "", Level.OK, "not logged in"),
        ({"HOME": "/nowhere", "WANDB_MODE": "online"}, True, "", Level.WARNING, "not logged in"),
        ({"WANDB_MODE": "disabled", **KEY}, True, "never asked", Level.OK, "WANDB_MODE=disabled"),
        ({"WANDB_MODE": "on"}, True, "", Level.WARNING, "'on'"),
        (KEY, True, "", Level.OK, "is reached"),
        (KEY, True, "timed out", Level.WARNING, "timed out"),
    ],
)
def test_wandb_never_blocks(
    environ: dict[str, str], installed: bool, problem: str, level: Level, expected: str
) -> None:
    found = check_wandb(environ, lambda: installed, lambda url: problem)
    assert found.level is level
    assert expected in found.found


def test_the_server_is_really_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    found = check_wandb({**KEY, "WANDB_BASE_URL": "http://127.0.0.1:9"}, lambda: True)
    assert "127.0.0.1:9 is not reached" in found.found
    assert "refused" in found.found


# ---- how it is printed ------------------------------------------------------------------------------


def printed(section: Section, width: int, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding), width=width, highlight=False, color_system=None)
    show(section, console)
    console.file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    long = blocks("project", "/a/very/long/path" * 12, "do " + "this " * 40)
    text = printed(Section("10.0.0.12 (worker)", (ok("ssh", "open"), long)), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "".join(text.split()).count("/a/very/long/path") == 12
    assert text.count("this") == 40


def test_what_a_server_says_can_neither_style_nor_move_the_cursor() -> None:
    found = warning("log", "[bold]x[/bold] \x1b[2J\x07 [/red]\r\nsecond \x9b1A line", "none")
    text = printed(Section("a\x1b[1mb", (found,)), 80)
    assert "[bold]x[/bold]" in text
    assert "[/red]" in text
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\r"}


def test_marks_are_ascii_where_the_terminal_knows_nothing_else() -> None:
    text = printed(Section("here", (ok("a", "b"), blocks("c", "d", "e"))), 80, "ascii")
    assert "+ a" in text
    assert "x c" in text
    assert "-> e" in text


def test_the_summary_counts() -> None:
    one, two, three = ok("a", "b"), warning("a", "b", "c"), blocks("a", "b", "c")
    assert summary([Section("x", (one,))]) == "1 check: nothing blocks, 0 warnings"
    assert summary([Section("x", (one, two)), Section("y", (three,))]) == "3 checks: 1 blocks, 1 warning"


# ---- the command ------------------------------------------------------------------------------------


def doctor(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=250)


def test_it_ends_with_0_where_nothing_blocks_and_imports_no_torch(faces: Path, tmp_path: Path) -> None:
    done = doctor("--data", str(faces), "--storage", str(tmp_path / "s"), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 images of faces" in done.stdout
    assert "nothing blocks" in done.stdout.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_it_ends_with_1_where_something_blocks(tmp_path: Path) -> None:
    done = doctor("--data-root", str(tmp_path / "none"), folder=tmp_path)
    assert done.returncode == 1
    assert "1 blocks" in done.stdout.splitlines()[-1]


@pytest.mark.torch
def test_gpus_that_this_torch_cannot_use_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    listed = "case $* in *query*) echo NVIDIA X100, 81559, 570.86;; *) echo CUDA Version: 12.8;; esac"
    program.write_text(f"#!/bin/sh\n{listed}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # where there are real ones
    done = doctor(folder=tmp_path)
    assert done.returncode == 1
    assert "1 x NVIDIA X100 (80 GiB), but torch cannot use them" in done.stdout


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--address", "here"], "HOST:PORT"),
        (["--cluster", "none.yaml"], "none.yaml cannot be read"),
        (["--storage", ""], "--storage is empty"),
    ],
)
def test_it_ends_with_2_and_one_line_for_wrong_input(words: list[str], expected: str, tmp_path: Path) -> None:
    done = doctor(*words, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_prints_no_json_is_an_error_in_its_last_words(tmp_path: Path) -> None:
    program = "import sys; sys.exit('one\\ntwo')"
    assert json_output([sys.executable, "-c", program], tmp_path, 60) == {"error": "two"}
    assert json_output([sys.executable, "-c", "print('[1]')"], tmp_path, 60)["error"] == "[1]"
    assert (
        "TimeoutExpired"
        in json_output([sys.executable, "-c", "input()" * 0 + "while 1: pass"], tmp_path, 0.3)["error"]
    )
    assert "FileNotFoundError" in json_output(["no-such-program"], tmp_path, 1)["error"]
