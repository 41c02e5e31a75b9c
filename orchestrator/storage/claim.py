"""Whose files lie in a location that several studies may be told to use: the first file there says it.

Nothing in such a location is ever overwritten by a study of the same name that was begun elsewhere.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from orchestrator.core.errors import StudyError
from orchestrator.storage.contract import CheckpointStore
from orchestrator.storage.directory import CLAIM
from orchestrator.storage.probe import PROBE


def take_ownership(store: CheckpointStore, study: Path) -> None:
    """Takes an empty location for a new study. Raises StudyError when it is not empty, StorageError.

    What a command that was killed before its study began has left may be taken again.
    """
    mine = f"{platform.node()}:{study.absolute()}\n"
    names = []
    for name in store.names():
        if name.startswith(PROBE):
            store.delete(name)  # of one that was killed while it asked
        else:
            names.append(name)
    owner = store.get(CLAIM).decode(errors="replace") if CLAIM in names else ""
    if owner == mine and names == [CLAIM]:
        return  # of this very study, by a command that was killed before the journal began
    if names:
        whose = f"the study {owner.strip()}" if owner else f"{len(names)} files that no study claims"
        raise StudyError(
            f"{store} holds {whose}; nothing is ever overwritten: name the new study otherwise with --study, "
            "give another --storage, or delete what lies there"
        )
    store.put(CLAIM, mine.encode())


def check_ownership(store: CheckpointStore, study: Path) -> None:
    """Raises StudyError where the location is another study's, one that is still there; StorageError.

    A study that was moved keeps its location; of two copies only the one that lies where it began does.
    """
    try:
        owner = store.get(CLAIM).decode(errors="replace").strip()
    except KeyError:
        return
    host, _, place = owner.partition(":")
    other = Path(place)
    if host == platform.node() and (other / "journal.jsonl").exists() and not other.samefile(study):
        raise StudyError(
            f"{store} holds the checkpoints of another study, {other}; resume that one, or remove it if this "
            "one is to go on in its place"
        )


def is_claimed_by(store: CheckpointStore, study: Path) -> bool:
    """Whether the claim names this machine and this very place, be the study there or no more; StorageError.

    For who deletes: a study that was moved, or copied to another machine, is not told from its copy, so in
    doubt the answer is no.
    """
    try:
        owner = store.get(CLAIM).decode(errors="replace").removesuffix("\n")
    except KeyError:
        return False
    host, _, place = owner.partition(":")
    if not host or host != platform.node() or "\0" in place or not Path(place).is_absolute():
        return False
    there, here = Path(place), study.absolute()
    return there.name == here.name and os.path.realpath(there.parent) == os.path.realpath(here.parent)


def release(store: CheckpointStore) -> None:
    """Gives the location back: no study came of it."""
    store.delete(CLAIM)
