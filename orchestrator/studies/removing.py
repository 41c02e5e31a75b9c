"""A study removed: its folder and what it has in a store, and nothing else.

The folder is renamed aside first, in one step: before it the study is whole, after it there is none, whatever
interrupts. What is left of a removal that was interrupted lies in a folder whose name begins with REMOVED; it
knows what is still to do, and `finish` goes on.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.atomic_file import atomic_write, sync_folder
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import StorageError, StudyError
from orchestrator.core.json_text import parse_json
from orchestrator.core.links import links_out_of
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import counted, on_one_line
from orchestrator.storage import check_ownership, join, open_store
from orchestrator.storage.contract import CheckpointStore
from orchestrator.storage.directory import CLAIM
from orchestrator.studies.listing import files_below, size_on_disk
from orchestrator.studies.using import header_of, lost_with_it, shares_storage, uses_of
from orchestrator.study.driver_lock import held
from orchestrator.study.files import REMOVED
from orchestrator.study.finding import find_study
from orchestrator.study.header import StudyHeader
from orchestrator.study.journal import FILE

STATE = "removal.json"
"""In a folder aside: where the study's part of a store lies, while there is one; else that it is gone."""

MIRROR = "tracking.lock"
"""Held by who sends the study to a tracker."""
_LAST = (FILE, STATE, "lock")


@dataclass(frozen=True)
class Removal:
    """What removing a study would do, told before it is done."""

    folder: Path
    size: int  # bytes of the folder
    freed: int  # bytes of them that have no other name elsewhere, as linked weights of an ensemble have
    location: str = ""  # of its part of a store given with --storage; "" where that is left alone
    stored: int = 0  # files there
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
    inner = [path.parent.name for path in folder.glob(f"*/{FILE}")]
    if inner:
        raise StudyError(
            f"{folder} holds other studies ({on_one_line(inner[0])}); remove them one by one first"
        )
    if Path.cwd().is_relative_to(folder):
        raise StudyError(f"this command stands in {folder}; leave that folder first (cd)")


def plan_removal(folder: Path, runs: Path, keep_storage: bool = False) -> Removal:
    """Looks and changes nothing. Raises StorageError where its store does not answer."""
    header = header_of(folder)
    location, stored, notes = "", 0, []
    if header is None:
        notes.append(
            "its journal does not say whether it has a part of a store given with --storage: if it has, that "
            "stays"
        )
    elif header.storage is not None:
        location, stored, note = _stored(header, folder, runs, keep_storage)
        notes += [note] if note else []
    links = tuple(
        f"{on_one_line(str(path.relative_to(folder)))} is a link; what it leads to stays: "
        f"{on_one_line(str(path.readlink()))}"
        for path in links_out_of(folder)
    )
    size = size_on_disk(folder)
    return Removal(
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


def _stored(header: StudyHeader, folder: Path, runs: Path, keep: bool) -> tuple[str, int, str]:
    """Where its part of a store lies, how many files are there, and why it is left alone, if it is."""
    location = join(str(header.storage), header.name)
    if keep:
        return "", 0, f"what lies in {location} stays, as --keep-storage says"
    if others := shares_storage(header, folder, runs):
        return "", 0, f"what lies in {location} stays: study {on_one_line(others[0])} uses the same files"
    store = open_store(location).with_short_timeouts()
    try:
        names = store.names()
        if CLAIM not in names:
            what = "nothing lies" if not names else f"{counted(len(names), 'file')} that no study claims stay"
            return "", 0, f"{what} in {location}"
        check_ownership(store, folder)
    except StudyError as error:
        return "", 0, f"what lies in {location} stays: {error}"
    except StorageError as error:
        raise StorageError(f"{error}; or say --keep-storage to leave what lies in {location}") from error
    return location, len(names), ""


def _shared_bytes(folder: Path) -> int:
    """Of files that have another name outside the folder."""
    found = files_below(folder)
    return sum(stats[0].st_size for stats in found.values() if stats[0].st_nlink > len(stats))


# ---- doing it -------------------------------------------------------------------------------------


def remove(planned: Removal, progress: Progress | None = None) -> None:
    """Raises StudyError where a driver holds it, StorageError where something cannot be removed: then the
    study is gone from the list, and `finish` goes on with what is left."""
    folder = planned.folder
    with held(folder), _unread(folder):
        aside = folder.with_name(f"{REMOVED}{secrets.token_hex(4)}")
        folder.rename(aside)
        with _said_what_is_left(aside):
            sync_folder(folder.parent)
            _empty(aside, planned.location, progress)
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


def finish(aside: Path, progress: Progress | None = None) -> None:
    """Goes on with a removal that was interrupted. Raises as `remove`."""
    with held(aside), _said_what_is_left(aside):
        _empty(aside, _location_left(aside), progress)
    _drop(aside)


def _location_left(aside: Path) -> str:
    """As it was noted; of a removal that was interrupted before that, as the journal says."""
    try:
        return str(parse_json(read_file(aside / STATE))["location"])
    except FileNotFoundError:
        header = header_of(aside)
        if header is None or header.storage is None or shares_storage(header, aside, aside.parent):
            return ""
        return join(header.storage, header.name)
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # leaving files behind is mended more easily than deleting others'


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


def _empty(aside: Path, location: str, progress: Progress | None) -> None:
    """The part in the store first: the journal says where it is, and goes last of all."""
    _note(aside, location)
    if location:
        _free(open_store(location), aside, progress)
        _note(aside, "")
    pieces = list(_pieces(aside))
    for number, piece in enumerate(pieces, 1):
        if _is_folder(piece):
            shutil.rmtree(piece)  # it follows no link
        else:
            piece.unlink(missing_ok=True)
        if progress is not None:
            progress(number, len(pieces))


def _note(aside: Path, location: str) -> None:
    with atomic_write(aside / STATE) as file:
        file.write(json.dumps({"location": location}).encode())


def _free(store: CheckpointStore, aside: Path, progress: Progress | None) -> None:
    """The claim last: until then nobody else takes the place."""
    names = sorted(store.names(), key=lambda name: name == CLAIM)
    if CLAIM not in names:  # it was freed before, or is not mounted here
        store.remove_if_empty()
        return
    try:
        check_ownership(store, aside)
    except StudyError:
        return  # another study has taken the place since
    store.remove_partial_files()
    for number, name in enumerate(names, 1):
        store.delete(name)
        if progress is not None:
            progress(number, len(names))
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
