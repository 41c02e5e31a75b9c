"""No link in a study's or an ensemble's folder is followed out of it, unless the user says --trust."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.core.errors import EnsembleError, StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.core.links import links_out_of
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.storage import DirectoryStore, take_ownership
from orchestrator.storage.checkpoint_files import delete_fold_run, resume_name
from orchestrator.study import Study
from orchestrator.tune.__main__ import main as tune

MADE = Path(__file__).with_name("made_by_0_1")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(MADE / "data", tmp_path / "data")
    return shutil.copytree(MADE / "studies", tmp_path / "runs")


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A folder of somebody else."""
    folder = tmp_path / "others"
    (folder / "t0000-f0").mkdir(parents=True)
    for name in ("film.part", "t0000-f0/film.12-ab.part", "t0000-f0/notes.txt"):
        (folder / name).write_bytes(b"theirs")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def resume(runs: Path, *more: str) -> int:
    words = ["--resume", "--study", "killed", "--runs", str(runs), "--inline"]
    return tune([*words, "--data-root", str(runs.parent / "data"), *more])


def link(at: Path, to: Path) -> None:
    """Whatever is there lies at `to` from now on."""
    if at.is_dir():
        shutil.copytree(at, to, dirs_exist_ok=True)
        shutil.rmtree(at)
    elif at.exists():
        to = to / at.name
        at.rename(to)
    at.symlink_to(to)


@pytest.mark.parametrize("name", ["checkpoints", "oof", "lock", "journal.jsonl", "folds.parquet", "new"])
def test_a_study_with_a_link_out_of_it_is_not_resumed(
    runs: Path, others: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    link(runs / "killed" / name, others)
    before = contents(runs.parent)
    assert resume(runs) == 2
    error = capsys.readouterr().err
    assert f"{runs / 'killed' / name} is a link that leads out of the study" in error and "--trust" in error
    assert contents(runs.parent) == before
    with pytest.raises(StudyError, match="leads out of the study"):
        Study(runs / "killed")


def test_trusted_its_links_are_followed_and_nothing_of_others_is_deleted(runs: Path, others: Path) -> None:
    link(runs / "killed" / "checkpoints", others)
    theirs = {path: data for path, data in contents(others).items() if data == b"theirs"}
    assert resume(runs, "--trust") == 0
    theirs.pop(str(others / "t0000-f0" / "film.12-ab.part"))  # it has the name of a half-written file of ours
    assert {path: contents(others).get(path) for path in theirs} == theirs
    assert Study(runs / "killed", trust=True).store().names(), "it went on there"


def test_a_link_that_stays_inside_is_no_matter(runs: Path) -> None:
    (runs / "killed" / "checkpoints").rename(runs / "killed" / "elsewhere")
    (runs / "killed" / "checkpoints").symlink_to("elsewhere")
    assert links_out_of(runs / "killed") == []
    assert resume(runs) == 0


def test_a_link_to_itself_leads_nowhere(runs: Path) -> None:
    (runs / "killed" / "loop").symlink_to("loop")
    assert links_out_of(runs / "killed") == [runs / "killed" / "loop"]


def test_an_ensemble_with_a_link_out_of_it_is_not_loaded_nor_made_of_such_a_study(
    runs: Path, others: Path
) -> None:
    weights = next((runs / "complete" / "ensemble" / "weights").iterdir())
    link(weights, others)
    with pytest.raises(EnsembleError, match="leads out of the ensemble; say --trust"):
        Ensemble.load(runs / "complete" / "ensemble")
    assert Ensemble.load(runs / "complete" / "ensemble", trust=True).models()
    words = ["--study", str(runs / "complete"), "--out", str(runs / "out")]
    assert ensemble(words) == 2
    assert ensemble([*words, "--trust"]) == 0


def test_only_files_that_are_ours_by_name_are_deleted(tmp_path: Path) -> None:
    store, key = DirectoryStore(tmp_path), FoldRunKey(0, 0)
    for name in (resume_name(key, 1), "t0000-f0/notes.txt", "t0000-f0/film.part"):
        store.put(name, b"x")
    store.remove_partial_files()
    delete_fold_run(store, key)
    assert sorted(path.name for path in (tmp_path / "t0000-f0").iterdir()) == ["film.part", "notes.txt"]


def store_in(study: Path, storage: Path, name: str) -> None:
    """The study's journal says that its checkpoints lie below `storage` under that name."""
    first, _, rest = (study / "journal.jsonl").read_text().partition("\n")
    opened = json.loads(first)
    opened["header"] |= {"storage": str(storage), "name": name}
    (study / "journal.jsonl").write_text(json.dumps(opened) + "\n" + rest)


@pytest.mark.parametrize("name, said", [("others", "no study.txt in it"), ("../x/others", "is no name of a")])
def test_a_mounted_folder_that_is_no_studys_is_not_tidied(
    runs: Path, others: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place given with --storage comes from the journal, too."""
    (others / "half.12-ab.part").write_bytes(b"theirs")
    store_in(runs / "killed", others.parent, name)
    before = contents(others)
    assert resume(runs) == 2
    assert said in capsys.readouterr().err and contents(others) == before


def test_nor_is_the_storage_of_another_study(
    runs: Path, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_ownership(DirectoryStore(others.parent / "stored"), runs / "complete")
    store_in(runs / "killed", others.parent, "stored")
    before = contents(others.parent / "stored")
    assert resume(runs) == 2
    assert "holds the checkpoints of another study" in capsys.readouterr().err
    assert contents(others.parent / "stored") == before
    (runs / "complete").rename(runs / "moved")  # as where the study itself was moved
    assert resume(runs) == 0


def test_a_link_that_is_made_after_the_study_was_looked_at_is_not_followed(runs: Path, others: Path) -> None:
    looked_at = Study(runs / "complete")
    assert looked_at.store().names()
    link(runs / "complete" / "checkpoints", others)
    with pytest.raises(StudyError, match="leads out of the study"):
        looked_at.store()
    assert Study(runs / "complete", trust=True).store().names()
