"""Code that changed between two sessions of a study is told, and shown where studies are compared."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from orchestrator.core.events import Resumed
from orchestrator.machine.node_facts import source_digest
from orchestrator.study.journal import JournalReader
from orchestrator.study.sources import changed_sources, code_notes, code_sources, sources_over_time
from orchestrator.study.study import Study
from orchestrator.tune import resume
from orchestrator.tune.__main__ import main

MADE = Path(__file__).with_name("made_by_0_1")


def tune(*words: str | Path) -> int:
    return main([str(word) for word in words])


def test_the_digests_are_of_the_project_and_of_what_the_space_names(tmp_path: Path) -> None:
    found = code_sources(["tests.pixel_trainable:PixelTrainable", "macro_f1"])
    assert found == {name: source_digest(name) for name in ("orchestrator", "tests")}
    assert all(len(digest) == 12 for digest in found.values())


def test_of_a_module_of_ones_own_it_is_with_what_it_imports_from_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_source.py").write_text("import own_source_helper\n")
    (tmp_path / "own_source_helper.py").write_text("")
    before = code_sources(["own_source:X"])
    (tmp_path / "own_source_helper.py").write_text("SHARE = 1\n")
    assert list(changed_sources(before, code_sources(["own_source:X"]))) == ["own_source"]
    assert "own_source" not in sys.modules, "it is found without importing it"


def test_each_session_counts_that_had_another_code() -> None:
    begun = {"orchestrator": "a", "mine": "x"}
    events = [Resumed(), Resumed({"mine": "y"}), Resumed({"mine": "y"}), Resumed()]
    assert sources_over_time(begun, events) == {"orchestrator": ("a",), "mine": ("x", "y", "x")}


@pytest.mark.parametrize(
    "first, second, notes",
    [
        ({"mine": ("x",)}, {"mine": ("x",)}, ()),
        ({}, {"mine": ("x",)}, ()),  # of version 0.2, which noted none
        ({"mine": ("x",)}, {"mine": ("y",)}, ("the code of mine differs: x in a, y in b",)),
        ({"mine": ("x", "y")}, {"mine": ("x",)}, ("the code of mine differs: x, then y in a, x in b",)),
        ({"mine": ("x", "y")}, {"mine": ("x", "y")}, ("the code of mine changed while both ran: x, then y",)),
    ],
)
def test_two_studies_with_other_code_say_so(
    first: dict[str, tuple[str, ...]], second: dict[str, tuple[str, ...]], notes: tuple[str, ...]
) -> None:
    assert code_notes(("a", "b"), first, second) == notes


def test_code_that_changed_is_told_on_resume_noted_and_shown_by_compare(
    space_file: Path,
    faces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = tmp_path / "runs"
    words = ["--space", space_file, "--data", faces, "--inline", "--runs", runs, "--trials", "3"]
    assert tune(*words, "--study", "a") == 0
    shutil.copytree(runs / "a", runs / "b")
    begun = Study(runs / "a").header.sources
    assert begun == code_sources(["tests.pixel_trainable:PixelTrainable"])
    capsys.readouterr()
    more = ["--resume", "--runs", runs, "--inline", "--trials", "4"]
    assert tune(*more, "--study", "a") == 0
    assert "has changed" not in capsys.readouterr().out
    changed = {**begun, "tests": "0123456789ab"}
    monkeypatch.setattr(resume, "code_sources", lambda names: changed)
    assert tune(*more, "--study", "b") == 0
    said = capsys.readouterr().out
    assert f"note: tests has changed since the study began ({begun['tests']}, now 0123456789ab)" in said
    told = JournalReader(runs / "b" / "journal.jsonl").new_events()
    sessions = [item for item in told if isinstance(item, Resumed)]
    assert [item.sources for item in sessions] == [{"tests": "0123456789ab"}]
    shown = Study(runs / "a").compare(runs / "b")
    assert str(shown).endswith(
        f"\nnote: the code of tests differs: {begun['tests']} in a, {begun['tests']}, then 0123456789ab in b"
    )
    assert "the code of tests differs" in shown._repr_html_()


def test_a_study_of_an_earlier_version_has_no_digests_to_compare(tmp_path: Path) -> None:
    study = Study(MADE / "studies" / "complete")
    assert study.sources == {} and study.compare(study).notes == ()
