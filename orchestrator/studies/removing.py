"""A study removed: its folder and what it has in a store, and nothing else.

The folder is renamed aside first, in one step: before it the study is whole, after it there is none, whatever
interrupts. What is left of a removal that was interrupted lies in a folder whose name begins with REMOVED; it
knows what is still to do, and `finish` goes on.

Of a store only what is certainly the study's own goes: its claim names this machine and the folder that is
removed, and files there have names that the project gives. In doubt a file stays, and a sentence says so.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.atomic_file import atomic_write, sync_folder
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import StorageError, StudyError
from orchestrator.core.json_text import parse_json
from orchestrator.core.links import links_out_of
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import counted, on_one_line
from orchestrator.storage import is_claimed_by, join, open_store
from orchestrator.storage.checkpoint_files import is_ours
from orchestrator.storage.contract import CheckpointStore
from orchestrator.storage.directory import CLAIM
from orchestrator.studies.listing import files_below, size_on_disk
from orchestrator.studies.using import header_of, lost_with_it, shares_storage, uses_of
from orchestrator.study.being_read import read_by_nobody
from orchestrator.study.driver_lock import held
from orchestrator.study.files import REMOVED
from orchestrator.study.finding import find_study
from orchestrator.study.header import StudyHeader
from orchestrator.study.journal import FILE

STATE = "removal.json"
"""Where the study's part of a store lies that goes with it, and what its folder was called; there is none
where nothing of a store is to go, or no more."""

BATCH = 1000
"""Files of a store that are deleted together."""
MIRROR = "tracking.lock"
"""Held by who sends the study to a tracker."""
_LAST = (FILE, STATE, "lock")


@dataclass(frozen=True)
class Removal:
    """What removing a study would do, told before it is done."""

    folder: Path  # which `finish` is to go on with, where it was renamed aside
    original: Path  # what it is called while it is a study
    size: int  # bytes of the folder
    freed: int  # bytes of them that have no other name elsewhere, as linked weights of an ensemble have
    location: str = ""  # of its part of a store given with --storage; "" where that is left alone
    stored: int = 0  # files there that go
    links: tuple[str, ...] = ()  # out of the folder; what they lead to stays
    lost: tuple[str, ...] = ()  # sentences: what in the folder is more than the search
    uses: tuple[str, ...] = ()  # sentences: what else uses it
    notes: tuple[str, ...] = ()  # sentences: what is left alone


def study_to_remove(named: str, runs: Path) -> Path:
    """Its folder, though its journal may be damaged. Raises StudyError for what is no study's folder."""
    if not named.strip():
        raise StudyError("a study without a name cannot be removed; name one")
    places = {path.absolute(): path for path in (Path(named), runs / named) if os.path.lexists(path / FILE)}
    found = {path.resolve(): path for path in places.values()}
    if len(found) != 1:
        return find_study(named, runs)  # says what is wrong
    folder = next(iter(found.values())).absolute()
    if folder.name in ("", ".", "..") or ".." in folder.parts:
        folder = folder.resolve()
    _refuse_other_than_a_study(folder)
    return folder


def _refuse_other_than_a_study(folder: Path) -> None:
    if folder.is_symlink():
        raise StudyError(
            f"{folder} is a link to {folder.resolve()}; name that folder to remove the study, or remove the "
            f"link by hand (rm {on_one_line(str(folder))})"
        )
    _refuse_what_holds_studies(folder)
    if Path.cwd().is_relative_to(folder):
        raise StudyError(f"this command stands in {folder}; leave that folder first (cd)")


def _refuse_what_holds_studies(folder: Path) -> None:
    """However deep they lie, but for those behind links, which no removal follows."""
    for place, inner, names in os.walk(folder, onerror=_raised):
        if Path(place) != folder and FILE in (*inner, *names):
            raise StudyError(
                f"{folder} holds other studies ({on_one_line(str(Path(place).relative_to(folder)))}); remove "
                "them one by one first, or move them away"
            )


def _raised(error: OSError) -> None:
    raise StudyError(f"{error.filename} cannot be looked into ({error.strerror}); a study may lie there")


def plan_removal(folder: Path, runs: Path, keep_storage: bool = False) -> Removal:
    """Looks and changes nothing. Raises StorageError where its store does not answer."""
    header = header_of(folder)
    location, stored, notes = "", 0, [_UNKNOWN] if header is None else []
    if header is not None and header.storage is not None:
        if keep_storage:
            notes = [f"what lies in {_place(header)} stays, as --keep-storage says"]
        else:
            location, stored, notes = _stored(header, folder, folder, runs)
    links = tuple(
        f"{on_one_line(str(path.relative_to(folder)))} is a link; what it leads to stays: "
        f"{on_one_line(str(path.readlink()))}"
        for path in links_out_of(folder)
    )
    size = size_on_disk(folder)
    return Removal(
        folder,
        folder,
        size,
        size - _shared_bytes(folder),
        location,
        stored,
        links,
        tuple(lost_with_it(folder)),
        tuple(uses_of(folder, runs)),
        tuple(notes),
    )


_UNKNOWN = (
    "its journal does not say whether it has a part of a store given with --storage: if it has, that stays"
)


def _place(header: StudyHeader) -> str:
    return join(str(header.storage), header.name)


def _stored(header: StudyHeader, folder: Path, original: Path, runs: Path) -> tuple[str, int, list[str]]:
    """Where its part of a store lies, "" where that is left alone; how many files go; what stays, and why."""
    location = _place(header)
    if others := shares_storage(header, folder, runs):
        return "", 0, [f"what lies in {location} stays: study {on_one_line(others[0])} uses the same files"]
    store = open_store(location).with_short_timeouts()
    try:
        names = store.names()
        if CLAIM not in names:
            what = "nothing lies" if not names else f"{counted(len(names), 'file')} that no study claims stay"
            return "", 0, [f"{what} in {location}"]
        if not is_claimed_by(store, original):
            return "", 0, [_of_another(store, location)]
    except StorageError as error:
        raise StorageError(f"{error}; or say --keep-storage to leave what lies in {location}") from error
    foreign = len(names) - len(_ours(names))
    stay = f"{counted(foreign, 'file')} in {location} stay, for their names are none that a study gives"
    return location, len(names) - foreign, [stay] if foreign else []


def _of_another(store: CheckpointStore, location: str) -> str:
    owner = store.get(CLAIM).decode(errors="replace").strip()
    return (
        f"what lies in {location} stays: it is of {on_one_line(owner)}, which may be another study; where "
        "nobody uses it any more, delete it by hand"
    )


def _ours(names: Iterable[str]) -> list[str]:
    """Those that may go, the claim last: until then nobody else takes the place."""
    return [*filter(is_ours, names), CLAIM]


def _shared_bytes(folder: Path) -> int:
    """Of files that have another name outside the folder."""
    found = files_below(folder)
    return sum(stats[0].st_size for stats in found.values() if stats[0].st_nlink > len(stats))


# ---- doing it -------------------------------------------------------------------------------------


def remove(planned: Removal, progress: Progress | None = None) -> None:
    """Raises StudyError where a driver holds it or somebody reads it, StorageError where something cannot be
    removed: then the study is gone from the list, and `finish` goes on with what is left; OSError before."""
    folder = planned.folder
    with held(folder), _unread(folder), read_by_nobody(folder):
        _note(planned)  # first: without a note nothing of a store goes
        aside = folder.with_name(f"{REMOVED}{secrets.token_hex(4)}")
        folder.rename(aside)
        with _said_what_is_left(aside):
            sync_folder(folder.parent)
            _empty(replace(planned, folder=aside), progress)
    _drop(aside)


@contextmanager
def _unread(folder: Path) -> Iterator[None]:
    """No mirror reads the study meanwhile. Raises StudyError where one does."""
    lock = folder / MIRROR
    if not lock.exists():
        yield
        return
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise StudyError(
            f"study {folder} is being sent to a tracker by another process; wait for it or end it first"
        ) from None


def leftovers(runs: Path) -> list[Path]:
    """Folders of removals that were interrupted."""
    if not runs.is_dir():
        return []
    return sorted(path for path in runs.iterdir() if path.name.startswith(REMOVED) and _is_folder(path))


def plan_rest(aside: Path) -> Removal:
    """What `finish` would do, as `plan_removal`. Raises StudyError where studies lie in it, StorageError."""
    _refuse_what_holds_studies(aside)
    header, noted = header_of(aside), _noted(aside)
    location, stored, notes = "", 0, [_UNKNOWN] if header is None and os.path.lexists(aside / STATE) else []
    if header is not None and header.storage is not None:
        original = None if noted is None or noted[0] != _place(header) else aside.with_name(noted[1])
        if original is None or os.path.lexists(original):
            notes = [f"what may lie in {_place(header)} stays"]
        else:
            location, stored, notes = _stored(header, aside, original, aside.parent)
    size = size_on_disk(aside)
    freed = size - _shared_bytes(aside)
    original = aside if noted is None else aside.with_name(noted[1])
    return Removal(aside, original, size, freed, location, stored, notes=tuple(notes))


def finish(planned: Removal, progress: Progress | None = None) -> None:
    """Goes on with a removal that was interrupted, as `plan_rest` found it. Raises as `remove`."""
    aside = planned.folder
    with held(aside), _said_what_is_left(aside):
        _empty(planned, progress)
    _drop(aside)


def _noted(aside: Path) -> tuple[str, str] | None:
    """The location that is to go and the name of the study's folder; None without a note to believe, for
    leaving files behind is mended more easily than deleting others'."""
    try:
        record = parse_json(read_file(aside / STATE))
        location, name = str(record["location"]), str(record["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_name = name not in ("", ".", "..") and not {"/", "\0"} & set(name)
    return (location, name) if is_name else None


@contextmanager
def _said_what_is_left(aside: Path) -> Iterator[None]:
    try:
        yield
    except (StorageError, OSError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise StorageError(
            f"{why};\nthe study is gone, and what is left of it lies in {aside}: correct that, then "
            f"`python -m orchestrator.studies clean --runs {aside.parent}` removes it"
        ) from error


def _empty(planned: Removal, progress: Progress | None) -> None:
    """The part in the store first: the journal says where it is, and goes last of all."""
    aside = planned.folder
    if planned.location:
        _free(open_store(planned.location), planned.original, progress)
        (aside / STATE).unlink(missing_ok=True)  # which a full disk allows too
        sync_folder(aside)
    pieces = list(_pieces(aside))
    for number, piece in enumerate(pieces, 1):
        if _is_folder(piece):
            shutil.rmtree(piece)  # it follows no link
        else:
            piece.unlink(missing_ok=True)
        if progress is not None:
            progress(number, len(pieces))


def _note(planned: Removal) -> None:
    """What is to go of a store; one of a try that was killed before the folder was renamed goes."""
    path = planned.folder / STATE
    if not planned.location:
        if os.path.lexists(path):
            path.unlink()
            sync_folder(planned.folder)
        return
    with atomic_write(path) as file:
        file.write(json.dumps({"location": planned.location, "folder": planned.original.name}).encode())


def _free(store: CheckpointStore, original: Path, progress: Progress | None) -> None:
    names = store.names()
    if CLAIM not in names:  # it was freed before, or is not mounted here
        store.remove_if_empty()
        return
    if os.path.lexists(original) or not is_claimed_by(store, original):
        return  # another study has taken the place since
    store.remove_partial_files()
    ours = _ours(names)
    for start in range(0, len(ours), BATCH):
        store.delete_many(ours[start : start + BATCH])
        if progress is not None:
            progress(min(start + BATCH, len(ours)), len(ours))
    store.remove_if_empty()


def _pieces(aside: Path) -> Iterator[Path]:
    """What is deleted at once: what lies in its folders, then these and its files; a link is no folder."""
    inside = [path for path in aside.iterdir() if path.name not in _LAST]
    for path in inside:
        if _is_folder(path):
            yield from path.iterdir()
    yield from inside


def _drop(aside: Path) -> None:
    """Without the lock: a network drive keeps a file that is open, and with it the folder."""
    with _said_what_is_left(aside):
        for name in _LAST:
            (aside / name).unlink(missing_ok=True)
        aside.rmdir()
        sync_folder(aside.parent)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
