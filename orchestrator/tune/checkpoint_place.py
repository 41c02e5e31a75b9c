"""Where a study's checkpoints will lie, settled before it begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.errors import StudyError
from orchestrator.storage import (
    DirectoryStore,
    join,
    normalised,
    open_store,
    probe,
    release,
    take_ownership,
    with_short_timeouts,
)
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.journal import has_journal
from orchestrator.study.study import Study
from orchestrator.tune.request import Request


def place_of(request: Request) -> str | None:
    """--storage as the study's header keeps it; None: in the study's own folder. Raises InputError."""
    return None if request.storage is None else normalised(request.storage)


@contextlib.contextmanager
def new_store(place: str | None, name: str, folder: Path) -> Iterator[CheckpointStore]:
    """The store of the study `name` that is about to begin in `folder`; empty again if it does not.

    Raises StudyError where another study's files lie, StorageError where nothing can be written.
    """
    if place is None:
        store: CheckpointStore = DirectoryStore((folder / "checkpoints").resolve())
    else:
        store = open_store(join(place, name))
        take_ownership(with_short_timeouts(store), folder)
        probe(with_short_timeouts(store))
    try:
        yield store
    finally:
        if not has_journal(folder):
            _give_back(store, place, folder)


def _give_back(store: CheckpointStore, place: str | None, folder: Path) -> None:
    if place is not None:
        release(with_short_timeouts(store))
    for empty in (store.root, folder) if isinstance(store, DirectoryStore) else (folder,):
        with contextlib.suppress(OSError):  # something lies in it, or it was never made
            empty.rmdir()


def refuse_another_place(request: Request, study: Study) -> None:
    """Raises StudyError when --storage is not where the study's checkpoints are."""
    place, own = place_of(request), study.header.storage
    if place is not None and place != own:
        raise StudyError(
            f"--storage {place}: study {study.path} keeps its checkpoints in {own or 'its own folder'}; "
            "leave --storage out, or begin another study without --resume"
        )


def ask_store(study: Study) -> None:
    """Whether the place given with --storage can be used now, as for a new study. Raises StorageError."""
    if study.header.storage is not None:
        probe(with_short_timeouts(study.store()))


def remove_partial_files(store: CheckpointStore) -> None:
    """Removes what a killed command left half-written; the study's lock is held."""
    if isinstance(store, DirectoryStore):
        store.remove_partial_files()
