"""From which stored state a fold run goes on.

Where epochs are short, not every one of them stores a state: the epochs since the newest one are then trained
again, without being told again, and the fold run is where the journal says it was. What the journal says was
stored and is not as it was stored is another matter: its epochs are taken back, or trained again in the same
way where the best epoch as of the older state is no longer stored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.events import FoldRunKey
from orchestrator.core.file_digest import is_as_stored
from orchestrator.storage.checkpoint_files import resume_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.history import NOT_KEPT

CHECKPOINT_EVERY_S = 30.0
"""Seconds of finished epochs that the death of its process may cost a fold run, if nothing else was asked."""

log = logging.getLogger(__name__)


class ResumeStateGoneError(Exception):
    """What the journal says was stored is not there, or is something else.

    epoch: the newest one before whose state is as it was stored; 0 where there is none.
    """

    def __init__(self, fault: str, epoch: int) -> None:
        super().__init__(f"{fault}; run again from {f'epoch {epoch}' if epoch else 'the start'}")
        self.epoch = epoch


@dataclass(frozen=True)
class ResumeState:
    """epoch: after which it was stored; data: None where epoch is 0, the start of the fold run."""

    epoch: int
    data: bytes | None
    digest: str  # "" where the journal keeps none


def newest_state(store: CheckpointStore, key: FoldRunKey, start: int, digests: Sequence[str]) -> ResumeState:
    """The state to go on from where `start` epochs are done. digests: as of `LegAssignment.resume_digests`.

    Raises ResumeStateGoneError, StorageError.
    """
    kept = stored_states(digests, start)
    if not kept:
        return ResumeState(0, None, "")
    newest = kept[-1]
    data = _as_stored(store, key, newest, digests)
    if isinstance(data, bytes):
        return ResumeState(newest, data, digest_of_state(digests, newest))
    known = [epoch for epoch in kept[:-1] if digest_of_state(digests, epoch)]
    read = ((epoch, _as_stored(store, key, epoch, digests)) for epoch in reversed(known))
    older = next(((epoch, found) for epoch, found in read if isinstance(found, bytes)), None)
    if older is None:
        raise ResumeStateGoneError(data, 0)
    if older[0] == start - 1:
        raise ResumeStateGoneError(data, start - 1)
    log.warning("%s; trained again from epoch %d to %d", data, older[0], start)
    return ResumeState(*older, digest_of_state(digests, older[0]))


def stored_states(digests: Sequence[str], until: int) -> list[int]:
    """The epochs up to `until` after which a resume state was stored."""
    return [epoch for epoch in range(1, until + 1) if digest_of_state(digests, epoch) != NOT_KEPT]


def digest_of_state(digests: Sequence[str], epoch: int) -> str:
    """ "" where the journal keeps none."""
    return digests[epoch - 1] if epoch <= len(digests) else ""


def _as_stored(store: CheckpointStore, key: FoldRunKey, epoch: int, digests: Sequence[str]) -> bytes | str:
    """The resume state after that epoch, or what is wrong with it."""
    name = resume_name(key, epoch)
    try:
        data = store.get(name)
    except KeyError:
        return f"{name} is missing from the store"
    if is_as_stored(data, digest_of_state(digests, epoch)):
        return data
    return f"{name} is damaged: its {len(data)} bytes are not those that were stored"
