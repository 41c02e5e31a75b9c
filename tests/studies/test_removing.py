"""A study is removed as a whole or not at all, and nothing but it."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from orchestrator.core.errors import StorageError, StudyError
from orchestrator.storage import DirectoryStore, take_ownership
from orchestrator.studies import removing
from orchestrator.studies.listing import list_studies
from orchestrator.studies.removing import (
    finish,
    leftovers,
    plan_removal,
    plan_rest,
    remove,
    study_to_remove,
)
from orchestrator.study import Study
from orchestrator.study.being_read import being_read
from orchestrator.study.finding import find_study
from tests.support.drawn_study import draw_study
from tests.support.journals import unsealed


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_study(
        tmp_path_factory.mktemp("drawn") / "a", trials=2, folds=2, max_t=1, rows=24, probabilities=False
    )


@pytest.fixture
def runs(drawn: Path, tmp_path: Path) -> Path:
    """Two studies, `a` and `b`, beside something that is none."""
    for name in "ab":
        shutil.copytree(drawn, tmp_path / "runs" / name)
    (tmp_path / "runs" / "a" / "sub" / "deeper").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "sub" / "deeper" / "file").write_text("x")
    (tmp_path / "runs" / ".cache").mkdir()
    (tmp_path / "runs" / ".cache" / "kept").write_text("x")
    return tmp_path / "runs"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below it; nothing where it is not there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stored(study: Path, store: Path) -> None:
    """As if the study had been begun with --storage."""
    journal = study / "journal.jsonl"
    first, rest = unsealed(journal.read_text()).split("\n", 1)
    journal.write_text(first.replace('"storage": null', f'"storage": "{store}"') + "\n" + rest)
    assert Study(study).header.storage == str(store)
    # A copy of the drawn study is called as the first was.
    take_ownership(DirectoryStore(store / "a"), study)
    for name in ("t0000-f0/best-e0001.safetensors", "t0001-f1/resume-e0001.pt"):
        DirectoryStore(store / "a").put(name, b"weights")


def test_the_folder_is_gone_and_everything_else_is_as_it_was(runs: Path) -> None:
    before = {name: files for name, files in tree(runs).items() if not name.startswith("a/")}
    remove(plan_removal(runs / "a", runs))
    assert tree(runs) == before and not (runs / "a").exists() and not leftovers(runs)


def test_its_part_of_a_store_goes_and_no_other(runs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    DirectoryStore(store / "other").put("t0000-f0/best-e0001.safetensors", b"other")
    planned = plan_removal(runs / "a", runs)
    assert (planned.location, planned.stored) == (str(store / "a"), 3)
    remove(planned)
    assert list(tree(store)) == ["other/t0000-f0/best-e0001.safetensors"] and not (store / "a").exists()


@pytest.mark.parametrize("way", ["asked", "copy", "claimed by another"])
def test_what_others_use_of_a_store_stays_and_is_told(runs: Path, tmp_path: Path, way: str) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    if way == "copy":
        shutil.copy(runs / "a" / "journal.jsonl", runs / "b" / "journal.jsonl")
    if way == "claimed by another":
        claim = store / "a" / "study.txt"
        claim.write_text(claim.read_text().replace(str(runs / "a"), str(runs / "b")))
    planned = plan_removal(runs / "a", runs, keep_storage=way == "asked")
    assert planned.location == "" and "stays" in planned.notes[0]
    before = tree(store)
    remove(planned)
    assert tree(store) == before and not (runs / "a").exists()


def test_a_store_that_does_not_answer_stops_it_before_anything_is_done(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(runs / "a", tmp_path / "store")
    before = tree(tmp_path)

    def refuse(self: DirectoryStore, prefix: str = "") -> list[str]:
        raise StorageError("no answer")

    monkeypatch.setattr(DirectoryStore, "names", refuse)
    with pytest.raises(StorageError, match="no answer; or say --keep-storage"):
        plan_removal(runs / "a", runs)
    assert tree(tmp_path) == before


def test_one_that_is_driven_is_refused(runs: Path) -> None:
    study = Study.open(runs / "a")
    before = tree(runs)
    with pytest.raises(StudyError, match="driven by another process"):
        remove(plan_removal(runs / "a", runs))
    assert tree(runs) == before
    study.close()


def test_one_that_a_mirror_reads_is_refused(runs: Path) -> None:
    with FileLock(runs / "a" / "tracking.lock"), pytest.raises(StudyError, match="sent to a tracker"):
        remove(plan_removal(runs / "a", runs))
    assert (runs / "a").exists()
    remove(plan_removal(runs / "a", runs))
    assert not (runs / "a").exists()


def test_one_that_an_ensemble_is_built_of_is_refused(runs: Path) -> None:
    planned = plan_removal(runs / "a", runs)
    before = tree(runs)
    with being_read(runs / "a"), being_read(runs / "a"):  # many may
        with pytest.raises(StudyError, match=r"is being read .* wait for it"):
            remove(planned)
        assert {name for name in tree(runs) if not name.endswith("lock")} == {
            name for name in before if not name.endswith("lock")
        }
        Study.open(runs / "a").close()  # nobody who goes on with it is in the way
    remove(planned)
    assert not (runs / "a").exists()


# ---- interrupted ----------------------------------------------------------------------------------


class Stopped(BaseException):
    """What ends a process at once: nothing of ours catches it."""


STEPS: dict[str, tuple[Any, str]] = {
    "rename": (Path, "rename"),
    "sync": (removing, "sync_folder"),
    "note": (removing, "atomic_write"),
    "store": (DirectoryStore, "delete"),
    "unlink": (Path, "unlink"),
    "tree": (shutil, "rmtree"),
    "rmdir": (Path, "rmdir"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_whatever_interrupts_the_study_is_whole_or_gone_and_the_rest_can_be_removed(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """At the first, second, ... time that each step is taken, until it is taken no more."""
    store = tmp_path / "store"
    stored(runs / "a", store)
    whole, others = tree(runs / "a"), tree(runs / "b")
    kept = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-kept"))
    interrupted = 0
    for time in range(40):
        with monkeypatch.context() as patched:
            calls = _stop_at(patched, *STEPS[step], time, after)
            try:
                remove(plan_removal(runs / "a", runs))
            except Stopped:
                interrupted += 1
                if (runs / "a").exists():
                    beside = ("lock", "removal.json")  # which takes nothing from a study that goes on
                    assert {name: data for name, data in tree(runs / "a").items() if name not in beside} == {
                        name: data for name, data in whole.items() if name != "lock"
                    }
                    Study(runs / "a")
                else:
                    assert [item.name for item in list_studies(runs)] == ["b"]
                    assert find_study(None, runs) == runs / "b"
        for left in leftovers(runs):
            finish(plan_rest(left))
        if not (runs / "a").exists():
            assert not leftovers(runs) and not tree(store / "a")
            assert names_in(runs) == [".cache", "b"]
            shutil.copytree(kept / "runs" / "a", runs / "a")
            shutil.copytree(kept / "store" / "a", store / "a", dirs_exist_ok=True)
        assert tree(runs / "b") == others
        if calls[0] <= time:
            break
    assert interrupted > 0 and calls[0] <= time


def _stop_at(patched: pytest.MonkeyPatch, home: Any, name: str, time: int, after: bool) -> list[int]:
    """In a list, how often it was called."""
    real: Callable[..., Any] = getattr(home, name)
    calls = [0]

    def stopping(*given: Any, **more: Any) -> Any:
        number, calls[0] = calls[0], calls[0] + 1
        if number == time and not after:
            raise Stopped
        answer = real(*given, **more)
        if number == time:
            raise Stopped
        return answer

    patched.setattr(home, name, stopping)
    return calls


def test_what_cannot_be_removed_is_named_and_the_way_on(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(StorageError, match=r"Permission denied;\nthe study is gone.*clean --runs"):
        remove(plan_removal(runs / "a", runs))
    monkeypatch.undo()
    [left] = leftovers(runs)
    finish(plan_rest(left))
    assert not leftovers(runs) and names_in(runs) == [".cache", "b"]


def test_the_rest_of_a_removal_takes_nothing_from_a_study_that_came_to_its_place_since(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    kept = shutil.copytree(runs / "a", tmp_path / "kept")
    with monkeypatch.context() as patched:
        _stop_at(patched, DirectoryStore, "delete", 0, False)
        with pytest.raises(Stopped):
            remove(plan_removal(runs / "a", runs))
    shutil.copytree(kept, runs / "a")  # of the same name, with the same claim
    before = tree(store)
    [left] = leftovers(runs)
    finish(plan_rest(left))
    assert tree(store) == before and not leftovers(runs)


# ---- in doubt what lies in a store stays ----------------------------------------------------------

ELSEWHERE = {
    "another machine": lambda folder: f"serverA:{folder}",
    "another folder": lambda folder: f"{platform.node()}:{folder.parent.parent}/moved/a",
    "a link to it": lambda folder: f"{platform.node()}:{folder.parent}/linked",
    "no place": lambda folder: "what is this",
    "no name": lambda folder: f"{platform.node()}:",
}
"""What the claim of a store says, by the folder of the study that is removed."""


@pytest.mark.parametrize("whose", ELSEWHERE)
def test_what_a_study_elsewhere_may_use_of_a_store_stays_and_is_told(
    runs: Path, tmp_path: Path, whose: str
) -> None:
    """The study is copied to another machine, or its folder moved and a copy of it removed."""
    store = tmp_path / "store"
    stored(runs / "a", store)
    (runs / "linked").symlink_to(runs / "a")
    (store / "a" / "study.txt").write_text(ELSEWHERE[whose](runs / "a") + "\n")
    before = tree(store)
    planned = plan_removal(runs / "a", runs)
    assert planned.location == "" and f"what lies in {store / 'a'} stays" in planned.notes[0]
    remove(planned)
    assert tree(store) == before and not (runs / "a").exists()


def test_a_claim_that_changes_after_the_question_is_believed_too(runs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    planned = plan_removal(runs / "a", runs)
    (store / "a" / "study.txt").write_text("serverA:/home/a/runs/a\n")
    before = tree(store)
    remove(planned)
    assert planned.location and tree(store) == before


def test_files_of_other_names_in_its_part_of_a_store_stay_and_are_told(runs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    DirectoryStore(store / "a").put("probabilities/t0000-f0/e0001.parquet", b"ours")
    foreign = (
        "notes.md",
        "t0000-f0/mine.bin",
        "probabilities/t0000-f0/extra.csv",
        "t0000-f0/best-e1.ckpt.bak2",
    )
    for name in foreign:
        DirectoryStore(store / "a").put(name, b"precious")
    planned = plan_removal(runs / "a", runs)
    assert planned.stored == 4
    assert planned.notes == (f"4 files in {store / 'a'} stay, for their names are none that a study gives",)
    remove(planned)
    assert tree(store / "a") == dict.fromkeys(foreign, b"precious")


@pytest.mark.parametrize("step, after", [("rename", True), ("sync", False), ("sync", True)])
def test_what_was_to_be_kept_is_kept_where_the_removal_was_interrupted(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    before = tree(store)
    planned = plan_removal(runs / "a", runs, keep_storage=True)
    with monkeypatch.context() as patched:
        _stop_at(patched, *STEPS[step], 0, after)
        with pytest.raises(Stopped):
            remove(planned)
    [left] = leftovers(runs)
    assert plan_rest(left).notes == (f"what may lie in {store / 'a'} stays",)
    finish(plan_rest(left))
    assert tree(store) == before and not leftovers(runs)


def test_a_note_of_an_earlier_try_does_not_outlast_keep_storage(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed before the folder was renamed leaves the note in a study that is whole."""
    store = tmp_path / "store"
    stored(runs / "a", store)
    before = tree(store)
    (runs / "a" / "removal.json").write_text(json.dumps({"location": str(store / "a"), "folder": "a"}))
    with monkeypatch.context() as patched:
        _stop_at(patched, Path, "rename", 0, True)
        with pytest.raises(Stopped):
            remove(plan_removal(runs / "a", runs, keep_storage=True))
    [left] = leftovers(runs)
    finish(plan_rest(left))
    assert tree(store) == before


PLANTED: dict[str, tuple[str, str]] = {
    # name noted, claim
    "another machine": ("gone", "serverA:{runs}/gone"),
    "a study that is there": ("a", "{node}:{runs}/a"),
    "a folder elsewhere": ("../elsewhere/gone", "{node}:{runs}/../elsewhere/gone"),
    "an absolute one": ("/elsewhere/gone", "{node}:/elsewhere/gone"),
    "another location": ("gone", "{node}:{runs}/gone"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_note_that_came_with_the_data_frees_nothing(runs: Path, tmp_path: Path, what: str) -> None:
    """As a received folder of studies may hold one: what it names was never this user's to remove."""
    store = tmp_path / "store"
    stored(runs / "a", store)
    name, claim = PLANTED[what]
    (store / "a" / "study.txt").write_text(claim.format(node=platform.node(), runs=runs) + "\n")
    left = shutil.copytree(runs / "a", runs / ".removed-0a1b2c3d")
    # What `stored` made has its part of the store in `store / "a"`; the last note names another place.
    noted = store / "a" if what != "another location" else store / "other"
    if what == "another location":
        shutil.copytree(store / "a", noted)
    (left / "removal.json").write_text(json.dumps({"location": str(noted), "folder": name}))
    if what != "a study that is there":
        shutil.rmtree(runs / "a")  # so that no copy in the folder of studies keeps it
    before = tree(store)
    planned = plan_rest(left)
    assert planned.location == "" and "stays" in planned.notes[0]
    finish(planned)
    assert tree(store) == before and not leftovers(runs)


def test_a_note_without_a_journal_frees_nothing_and_that_is_told(runs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    stored(runs / "a", store)
    before = tree(store)
    left = runs / ".removed-0a1b2c3d"
    left.mkdir()
    (left / "removal.json").write_text(json.dumps({"location": str(store / "a")}))
    planned = plan_rest(left)
    assert "stays" in planned.notes[0]
    finish(planned)
    assert tree(store) == before and not leftovers(runs)


# ---- what is no study, links, hostile names -------------------------------------------------------


def test_links_are_removed_and_never_followed(runs: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "deep" / "file").write_text("x")
    (runs / "a" / "linked").symlink_to(precious)
    (runs / "a" / "sub" / "linked").symlink_to(precious / "deep")
    (runs / "a" / "lost").symlink_to(tmp_path / "nowhere")
    planned = plan_removal(runs / "a", runs)
    assert any(str(precious) in line and "stays" in line for line in planned.links)
    remove(planned)
    assert tree(precious) == {"deep/file": b"x"} and not (runs / "a").exists()


def test_hard_links_elsewhere_stay_and_are_not_counted_as_freed(runs: Path, tmp_path: Path) -> None:
    weights = runs / "a" / "sub" / "deeper" / "file"
    weights.write_bytes(b"w" * 1000)
    (tmp_path / "ensemble").mkdir()
    (tmp_path / "ensemble" / "w").hardlink_to(weights)
    planned = plan_removal(runs / "a", runs)
    assert planned.size - planned.freed == 1000
    remove(planned)
    assert (tmp_path / "ensemble" / "w").read_bytes() == b"w" * 1000


def test_a_linked_study_is_no_folder_to_remove(runs: Path, tmp_path: Path) -> None:
    (runs / "a").rename(tmp_path / "elsewhere")
    (runs / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match="is a link to"):
        study_to_remove("a", runs)
    assert study_to_remove(str(tmp_path / "elsewhere"), runs) == tmp_path / "elsewhere"


@pytest.mark.parametrize("named", ["", " ", ".", "..", "c", "../runs", ".cache", "a/sub", "/", "a/*"])
def test_what_is_no_study_is_refused(runs: Path, named: str) -> None:
    before = tree(runs)
    with pytest.raises(StudyError):
        study_to_remove(named, runs)
    assert tree(runs) == before


def test_a_folder_that_holds_studies_is_refused(runs: Path) -> None:
    shutil.copy(runs / "a" / "journal.jsonl", runs / "journal.jsonl")
    with pytest.raises(StudyError, match="holds other studies"):
        study_to_remove(str(runs), runs)


@pytest.mark.parametrize("inner", ["x/y", "x/y/z", "checkpoints/.hidden"])
def test_a_folder_that_holds_studies_deeper_down_is_refused(runs: Path, inner: str) -> None:
    (runs / "a" / inner).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(runs / "b", runs / "a" / inner)
    before = tree(runs)
    with pytest.raises(StudyError, match=f"holds other studies .*{Path(inner).name}"):
        study_to_remove("a", runs)
    left = (runs / "a").rename(runs / ".removed-0a1b2c3d")
    with pytest.raises(StudyError, match="holds other studies"):
        plan_rest(left)
    left.rename(runs / "a")
    assert tree(runs) == before


def test_a_study_behind_a_link_hinders_no_removal(runs: Path) -> None:
    (runs / "a" / "linked").symlink_to(runs)
    assert study_to_remove("a", runs) == runs / "a"


def test_the_folder_that_the_command_stands_in_is_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs / "a" / "sub")
    with pytest.raises(StudyError, match="leave that folder"):
        study_to_remove("a", runs)


@pytest.mark.parametrize("name", ["-rf", "a b", "x\ny", "\x1b[2J", "$(rm -r b)", "*"])
def test_a_hostile_name_is_a_name(runs: Path, name: str) -> None:
    (runs / "a").rename(runs / name)
    before = {path: data for path, data in tree(runs).items() if path.startswith("b/")}
    remove(plan_removal(study_to_remove(name, runs), runs))
    assert not (runs / name).exists() and before.items() <= tree(runs).items()


@pytest.mark.parametrize("damage", ["", "{", "\x00" * 50, "text\n", None])
def test_a_study_with_a_damaged_journal_can_be_removed(runs: Path, damage: str | None) -> None:
    journal = runs / "a" / "journal.jsonl"
    if damage is None:
        text = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join([*text[:2], "damaged\n", *text[2:]]))
    else:
        journal.write_text(damage)
    planned = plan_removal(study_to_remove("a", runs), runs)
    assert (damage is None) != any("does not say" in note for note in planned.notes)
    remove(planned)
    assert names_in(runs) == [".cache", "b"]
