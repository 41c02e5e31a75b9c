"""What an editor, a disk or an attacker makes of a journal is told in our words, or changes nothing.

Mutated studies are read in this process, thousands of them; some are continued by the command itself.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import OrchestratorError
from orchestrator.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.journals import unsealed
from tests.support.mutations import DEEP, Draw, examples, with_wrong_value
from tests.support.small_study import make_small_study

Lines = list[bytes]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_study(tmp_path_factory.mktemp("mutated"))


def with_a_wrong_value(draw: Draw, lines: Lines) -> Lines:
    number = draw(st.integers(0, len(lines) - 1) | st.just(0))  # the header has most to go wrong
    record = with_wrong_value(draw, json.loads(lines[number]))
    return [*lines[:number], json.dumps(record).encode(), *lines[number + 1 :]]


def with_wrong_bytes(draw: Draw, lines: Lines) -> Lines:
    number = draw(st.integers(0, len(lines) - 1))
    at = draw(st.integers(0, len(lines[number]) - 1))
    kept = lines[number][:at] + draw(st.binary(max_size=3)).replace(b"\n", b"") + lines[number][at + 1 :]
    return [*lines[:number], kept, *lines[number + 1 :]]


def with_wrong_lines(draw: Draw, lines: Lines) -> Lines:
    """One is missing, or there twice, or another stands in its place."""
    number, other = draw(st.integers(1, len(lines) - 1)), draw(st.integers(1, len(lines) - 1))
    instead = [[], [lines[number], lines[number]], [lines[other]], [b"3"], [b""], [DEEP]]
    between = draw(st.sampled_from(instead))
    return [*lines[:number], *between, *lines[number + 1 :]]


@st.composite
def journals(draw: Draw, lines: Lines) -> bytes:
    mutate = draw(
        st.sampled_from([with_a_wrong_value, with_a_wrong_value, with_wrong_bytes, with_wrong_lines])
    )
    cut = draw(st.integers(2, len(lines)))
    return b"\n".join(mutate(draw, lines[:cut])) + draw(st.sampled_from([b"\n", b""]))


def lines_of(study: Path) -> Lines:
    """Without checksums, by which a change would be told before it could do harm."""
    return unsealed((study / "journal.jsonl").read_text()).encode().splitlines()


def looked_at(folder: Path) -> None:
    """Everything that reads a journal and no more than it."""
    found = Study(folder)
    assert all(0 <= trial.number < found.trials for trial in found.complete_trials())
    assert len(found.leaderboard()) == len(found.configs)
    assert set(found.curves().columns) >= {"trial", "fold", "epoch", "score"} or found.curves().empty


@examples(700)
@given(data=st.data())
def test_a_journal_with_something_wrong_is_refused_in_our_words_or_read(
    study: Path, data: st.DataObject
) -> None:
    lines = lines_of(study)
    copy = study.with_name("read")
    copy.mkdir(exist_ok=True)
    (copy / "journal.jsonl").write_bytes(data.draw(journals(lines)))
    try:
        looked_at(copy)
    except OrchestratorError as error:
        assert 20 < len(str(error)) < 700
        assert "journal" in str(error)
        assert len(str(error).splitlines()) <= 3


@examples(25)
@given(data=st.data())
def test_a_study_with_something_wrong_in_its_journal_is_continued_to_its_own_scores_or_refused(
    study: Path, data: st.DataObject, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(study)
    copy = study.with_name("continued")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(study, copy)
    (copy / "journal.jsonl").write_bytes(data.draw(journals(lines)))
    capsys.readouterr()
    ended = tune(["--resume", "--study", copy.name, "--runs", str(copy.parent), "--inline"])
    told = capsys.readouterr()
    assert ended in (0, 1, 2), told.err
    assert "\x1b" not in told.out + told.err
    if ended:
        assert "error: " in told.err
    else:
        scores = {trial.number: trial.score for trial in Study(study).complete_trials()}
        again = {trial.number: trial.score for trial in Study(copy).complete_trials()}
        assert all(again[trial] == scores[trial] for trial in again.keys() & scores.keys())


@examples(100)
@given(data=st.data())
def test_a_journal_as_it_is_written_now_tells_any_change_of_a_line(study: Path, data: st.DataObject) -> None:
    whole = Study(study)
    lines = (study / "journal.jsonl").read_bytes().splitlines()
    mutate = data.draw(st.sampled_from([with_a_wrong_value, with_wrong_bytes]))
    changed = mutate(data.draw, lines)
    copy = study.with_name("sealed")
    copy.mkdir(exist_ok=True)
    (copy / "journal.jsonl").write_bytes(b"\n".join(changed) + b"\n")
    try:
        found = Study(copy)
    except OrchestratorError as error:
        assert "journal" in str(error)
        return
    assert found.events == whole.events[: len(found.events)]
    assert len(found.events) >= len(whole.events) - 1, "a last line that is none is left out"
