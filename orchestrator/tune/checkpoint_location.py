"""Where a study's checkpoints will lie, settled before it begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.errors import StudyError
from orchestrator.core.links import without_links
from orchestrator.storage import (
    DirectoryStore,
    check_ownership,
    join,
    normalised,
    open_store,
    probe,
    release,
    take_ownership,
)
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.journal import has_journal
from orchestrator.study.study import Study
from orchestrator.tune.request import Request


def location_of(request: Request) -> str | None:
    """--storage as the study's header keeps it; None for the study's own folder. Raises InputError."""
    return None if request.storage is None else normalised(request.storage)


@contextlib.contextmanager
def new_store(location: str | None, name: str, folder: Path) -> Iterator[CheckpointStore]:
    """The store of the study `name` that is about to begin in `folder`; empty again if it does not.

    Raises StudyError where another study's files lie, StorageError where nothing can be written.
    """
    if location is None:
        store: CheckpointStore = DirectoryStore(without_links(folder / "checkpoints"))
    else:
        store = open_store(join(location, name))
        take_ownership(store.with_short_timeouts(), folder)
        probe(store.with_short_timeouts())
    try:
        yield store
    finally:
        if not has_journal(folder):
            if location is not None:
                release(store.with_short_timeouts())
            store.remove_if_empty()
            with contextlib.suppress(OSError):  # something lies in it, or it was never made
                folder.rmdir()


def refuse_another_location(request: Request, study: Study) -> None:
    """Raises StudyError when --storage is not where the study's checkpoints are."""
    location, own = location_of(request), study.header.storage
    if location is not None and location != own:
        raise StudyError(
            f"--storage {location}: study {study.path} keeps its checkpoints in {own or 'its own folder'}; "
            "leave --storage out, or begin another study without --resume"
        )


def check_store_answers(study: Study) -> None:
    """Whether the location given with --storage is the study's and can be used now.

    Raises StudyError, StorageError.
    """
    if study.header.storage is not None:
        store = study.store().with_short_timeouts()
        check_ownership(store, study.path)
        probe(store)
