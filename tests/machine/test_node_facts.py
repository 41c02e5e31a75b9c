"""What a node says of itself, and what keeps it from a study."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machine.node_facts import NOT_FOUND, NodeFacts, gather, reasons_against, source_digest
from orchestrator.machine.nvidia_smi import Gpu, parse_gpus

HEAD = NodeFacts(
    host="head",
    python="3.11.7",
    executable="/venv/bin/python",
    versions={"ray": "2.60.0", "torch": "2.13.0+cu130", "timm": "1.0.31"},
    sources={"orchestrator": "0123456789ab", "trainables": "ba9876543210"},
    memory_bytes=2**37,
    memory_free_bytes=2**36,
    shm_bytes=2**36,
    shm_free_bytes=2**35,
    temp="/tmp",
    temp_free_bytes=2**40,
    runs="/home/ubuntu/fold-orchestrator/runs",
    runs_free_bytes=2**40,
    gpus=(Gpu("NVIDIA H200", 143771),),
    driver="570.86.15",
    cuda="13.0",
    gpu_problem=None,
    time=1_790_000_000.25,
)
WORKER = replace(HEAD, host="worker", versions=dict(HEAD.versions), sources=dict(HEAD.sources))


def versions(**changed: str | None) -> NodeFacts:
    merged = {**WORKER.versions, **changed}
    return replace(WORKER, versions={name: text for name, text in merged.items() if text is not None})


def test_a_node_with_the_same_versions_and_source_is_taken() -> None:
    assert reasons_against(HEAD, WORKER) == []


def test_a_node_without_gpus_and_with_torch_built_for_the_cpu_is_taken() -> None:
    other = replace(versions(torch="2.13.0+cpu"), gpus=(), driver=None, cuda=None)
    assert reasons_against(HEAD, other) == []
    assert reasons_against(other, HEAD) == []


@pytest.mark.parametrize(
    "other, expected",
    [
        (replace(WORKER, python="3.12.1"), ["3.12.1", "3.11.7", "install Python 3.11"]),
        (versions(ray="2.59.0"), ["ray 2.59.0", "2.60.0", "ray up"]),
        (versions(torch="2.12.0+cu130"), ["torch 2.12.0+cu130", "2.13.0+cu130", "ray up"]),
        (versions(torch=None), ["no torch", "ray up"]),
        (
            replace(WORKER, sources={**WORKER.sources, "orchestrator": "ffff"}),
            ["orchestrator (ffff)", "0123456789ab", "ray up"],
        ),
        (
            replace(WORKER, sources={**WORKER.sources, "trainables": "ffff"}),
            ["trainables (ffff)", "ba9876543210"],
        ),
        (
            replace(WORKER, sources={"orchestrator": "0123456789ab"}),
            [f"trainables ({NOT_FOUND})", "ba9876543210"],
        ),
    ],
)
def test_another_version_or_source_is_one_reason_with_both_values_and_the_way_out(
    other: NodeFacts, expected: list[str]
) -> None:
    [reason] = reasons_against(HEAD, other)
    assert "worker" in reason
    assert "head" in reason
    for part in expected:
        assert part in reason


def test_patch_of_python_and_packages_beside_ray_and_torch_keep_nobody_out() -> None:
    assert reasons_against(HEAD, replace(versions(timm="1.0.20"), python="3.11.9")) == []


def test_facts_travel_as_json_and_come_back_equal() -> None:
    line = json.dumps({**HEAD.to_json(), "from_a_later_version": 1})
    assert NodeFacts.from_json(json.loads(line)) == HEAD


@pytest.mark.parametrize(
    "record",
    [
        {},
        {**HEAD.to_json(), "gpus": 3},
        {**HEAD.to_json(), "versions": 3},
        {**HEAD.to_json(), "versions": {"ray": 2}},
        {**HEAD.to_json(), "sources": None},
        {**HEAD.to_json(), "host": 3},
        {**HEAD.to_json(), "python": None},
        {**HEAD.to_json(), "time": "now"},
        {**HEAD.to_json(), "shm_bytes": "1"},
    ],
)
def test_what_are_no_facts_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the facts of a node"):
        NodeFacts.from_json(record)


def test_the_digest_follows_names_and_bytes_of_source_files_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "__init__.py").write_text("raise RuntimeError('nobody may import this')")
    (tmp_path / "mine" / "sub" / "a.py").write_text("a = 1")
    first = source_digest("mine")
    (tmp_path / "mine" / "note.txt").write_text("changed")
    assert source_digest("mine") == first
    (tmp_path / "mine" / "sub" / "a.py").rename(tmp_path / "mine" / "a.py")
    moved = source_digest("mine")
    (tmp_path / "mine" / "a.py").write_text("a = 2")
    assert len({first, moved, source_digest("mine"), NOT_FOUND}) == 4


def test_the_digest_does_not_depend_on_the_order_in_which_a_disk_lists_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, listed = source_digest("trainables"), Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda folder, pattern: reversed(list(listed(folder, pattern))))
    assert source_digest("trainables") == first


def test_a_single_file_and_a_package_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lonely_module.py").write_text("a = 1")
    assert source_digest("lonely_module") not in (NOT_FOUND, source_digest("orchestrator"))
    assert source_digest("no_such_package") == NOT_FOUND


def test_gpus_as_nvidia_smi_lists_them() -> None:
    listed = "NVIDIA H200, 143771, 570.86.15\nNVIDIA GB10, [N/A], 570.86.15\n"
    assert parse_gpus(listed) == ((Gpu("NVIDIA H200", 143771), Gpu("NVIDIA GB10", 0)), "570.86.15")
    assert parse_gpus("") == ((), None)
    with pytest.raises(ValueError, match="No devices were found"):
        parse_gpus("No devices were found\n")


def test_nvidia_smi_that_fails_is_a_problem_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho couldn\\'t communicate with the NVIDIA driver\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    facts = gather()
    assert facts.gpus == ()
    assert facts.gpu_problem == "nvidia-smi: couldn't communicate with the NVIDIA driver"


def test_the_command_prints_one_line_of_json_without_importing_anything_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from orchestrator.machine import node_facts\n"
        f"node_facts.main(['--trainable', 'trainables.x:Y', '--runs', {str(tmp_path / 'a' / 'b')!r}])\n"
        "print(sorted({'ray', 'torch', 'numpy', 'trainables'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    line, imported = done.stdout.splitlines()
    facts = NodeFacts.from_json(json.loads(line))
    assert imported == "[]"
    assert facts.versions["ray"].startswith("2.")
    assert facts.sources == {name: source_digest(name) for name in ("orchestrator", "trainables")}
    assert facts.runs == str(tmp_path / "a" / "b")
    assert facts.runs_free_bytes is not None
    assert not (tmp_path / "a").exists()
