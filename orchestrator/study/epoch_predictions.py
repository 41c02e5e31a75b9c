"""Reads the validation probabilities that a study keeps of every epoch of every fold run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.errors import StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.core.file_digest import is_as_stored
from orchestrator.core.text import counted, shortened
from orchestrator.space.condition import condition_mask
from orchestrator.storage.checkpoint_files import PROBABILITIES, probabilities_name
from orchestrator.study.history import History
from orchestrator.study.kept_probabilities import KIND, probabilities_from_bytes

if TYPE_CHECKING:
    from orchestrator.study.study import Study

EpochKey = tuple[int, int, int]
"""Trial, fold, epochs done (from 1)."""


class EpochPredictions:
    """One study's epochs, in the line of descent that its fold runs' newest states continue.

    What a retry replaced is not among them. A file that is missing or damaged makes its epoch one that was
    not kept: `find` answers None, and `note` tells of it.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._history = History(study.space.mode, study.events)
        self._store = study.store()
        self._faults: dict[EpochKey, str] = {}

    @classmethod
    def open(cls, study: Study) -> EpochPredictions:
        """Raises StudyError for a study that keeps none, in one sentence."""
        found = cls(study)
        if found.in_journal() and not found._digests:
            raise StudyError(
                f"study {study.path} keeps no epoch's predictions, as studies that version 0.3 or an earlier "
                "one ran don't; run it anew under another name to have them"
            )
        return found

    # ---- which there are ----

    def in_journal(self) -> list[EpochKey]:
        """Every epoch of the line of descent, kept or not, by trial, fold and epoch."""
        history = self._history
        return [
            (key.trial, key.fold, event.epoch) for key in history.fold_runs() for event in history.epochs(key)
        ]

    def epochs(self) -> list[EpochKey]:
        """Those whose predictions are there, in the order of `in_journal`; without those found damaged."""
        return [key for key in self._digests if key not in self._faults and _name(key) in self._stored]

    def missing(self) -> list[EpochKey]:
        """Those of `in_journal` whose predictions are not there."""
        kept = set(self.epochs())
        return [key for key in self.in_journal() if key not in kept]

    @property
    def note(self) -> str:
        """A sentence on what is missing; "" where nothing is."""
        missing = self.missing()
        if not missing:
            return ""
        named = [f"trial {trial} fold {fold} epoch {epoch}" for trial, fold, epoch in missing]
        faults = "; ".join(self._faults.values())
        return (
            f"study {self._study.path}: the predictions of {counted(len(missing), 'epoch')} of "
            f"{len(self.in_journal())} are not kept ({shortened(named)}){f'; {faults}' if faults else ''}"
        )

    # ---- what they are ----

    def probabilities(self, trial: int, fold: int, epoch: int) -> Probabilities:
        """(n, C) or (n, L) of the rows of `rows(fold)`, in that order.

        They were stored as float16; of a single label each row sums to 1 again. Raises StudyError where they
        are not kept, missing or damaged.
        """
        key = (trial, fold, epoch)
        if key not in self._digests:
            raise StudyError(
                f"study {self._study.path}: the predictions of trial {trial}, fold {fold} after epoch "
                f"{epoch} are not kept"
            )
        if key not in self._faults:
            try:
                return self._read(key)
            except StudyError as error:
                self._faults[key] = str(error)
        raise StudyError(f"study {self._study.path}: {self._faults[key]}")

    def find(self, trial: int, fold: int, epoch: int) -> Probabilities | None:
        """`probabilities`, or None where they are not kept, missing or damaged, which `note` then tells."""
        try:
            return self.probabilities(trial, fold, epoch)
        except StudyError:
            return None

    def __iter__(self) -> Iterator[tuple[EpochKey, Probabilities]]:
        """One epoch after the other, without what is missing or damaged."""
        for key in self.epochs():
            found = self.find(*key)
            if found is not None:
                yield key, found

    def score(self, trial: int, fold: int, epoch: int) -> float:
        """By the study's metric, as it was noted when the epoch ended."""
        return self._history.epochs(FoldRunKey(trial, fold))[epoch - 1].score

    def rows(self, fold: int) -> NDArray[np.int64]:
        """(n,): the fold's rows in the study's manifest, ascending."""
        return np.flatnonzero(self.folds == fold)

    @cached_property
    def folds(self) -> NDArray[np.int16]:
        """Of every manifest row the fold that validates it; below 0 for none."""
        return self._study.fold_plan().folds

    @cached_property
    def labels(self) -> Labels:
        """(n,) or (n, L): of every manifest row, as the target encodes them."""
        return self._study.space.target.encode(self._study.manifest().frame)

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """(n,): which manifest rows a score is of; all but in a study of a condition."""
        mask = condition_mask(self._study.space, self._study.manifest().frame)
        return np.ones(len(self.folds), np.bool_) if mask is None else mask

    # ---- inside ----

    @cached_property
    def _digests(self) -> dict[EpochKey, str]:
        """Of those that were kept when the epoch ended."""
        found = ((key, self._history.digest(FoldRunKey(*key[:2]), key[2], KIND)) for key in self.in_journal())
        return {key: digest for key, digest in found if digest}

    @cached_property
    def _stored(self) -> set[str]:
        return set(self._store.names(PROBABILITIES))

    def _read(self, key: EpochKey) -> Probabilities:
        name = _name(key)
        try:
            data = self._store.get(name)
        except KeyError:
            raise StudyError(f"{name} is missing; restore it from a copy") from None
        if not is_as_stored(data, self._digests[key]):
            raise StudyError(f"{name} is damaged: its bytes are not those that were stored")
        space = self._study.space
        multi_label = self.labels.ndim == 2
        return probabilities_from_bytes(data, len(self.rows(key[1])), len(space.target.classes), multi_label)


def _name(key: EpochKey) -> str:
    trial, fold, epoch = key
    return probabilities_name(FoldRunKey(trial, fold), epoch)
