"""One reading of a study for all that only look at it. What takes time is read when it is first asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from orchestrator.core.errors import EnsembleError, OrchestratorError
from orchestrator.core.events import Decided, LegFailed, LegStarted
from orchestrator.data.folds import FoldPlan
from orchestrator.data.known_clusters import KnownClusters
from orchestrator.data.manifest import Manifest
from orchestrator.ensemble_record.finding import newest_ensemble
from orchestrator.ensemble_record.record import EnsembleRecord, read_record
from orchestrator.evaluation.confidence_set import ConfidenceSet
from orchestrator.race.config import REPLAYED, config_from
from orchestrator.race.contract import TrialStatus
from orchestrator.race.ladder import Ladder, ladder_of
from orchestrator.snapshot.copies import copies_of
from orchestrator.space import SearchSpace
from orchestrator.study.exports import statuses_of
from orchestrator.study.header import StudyHeader
from orchestrator.study.history import History
from orchestrator.study.predictions import Prediction, read_prediction
from orchestrator.study.remarks import LeaderboardScore, Remarks, read_remarks
from orchestrator.study.study import CompleteTrial, Study

Read = TypeVar("Read")


@dataclass(frozen=True)
class FoundEnsemble:
    """An ensemble's folder and what its ensemble.json says."""

    folder: Path
    record: EnsembleRecord


@dataclass(frozen=True)
class StudySnapshot:
    """What is missing or damaged is None, and `notes` says why: a study that still runs, failed or lost files
    can be looked at too."""

    study: Study
    ensemble: FoundEnsemble | None  # the newest, or the one that was asked for
    taken: float  # unix seconds
    notes: list[str] = field(default_factory=list)  # what could not be read, each a sentence

    # ---- what it is ----

    @property
    def name(self) -> str:
        return self.study.path.name

    @property
    def path(self) -> Path:
        return self.study.path

    @property
    def header(self) -> StudyHeader:
        return self.study.header

    @property
    def space(self) -> SearchSpace:
        return self.study.space

    @property
    def state(self) -> str:
        """finished, interrupted, stopped or open (its driver runs, or was killed)."""
        return self.study.state

    @property
    def seconds(self) -> float:
        """From its first event to its last, pauses included."""
        return self.study.ended - self.study.started

    @property
    def nodes(self) -> tuple[str, ...]:
        """The servers it ran on, where there were several."""
        found = (item.node for item in self.study.events if isinstance(item, LegStarted) and item.node)
        return tuple(dict.fromkeys(found))

    @cached_property
    def ladder(self) -> Ladder:
        """The rungs at which it compares trials; () of another rule, or a version that is not known here."""
        header = self.header
        if header.rule != "fold_asha" or header.rule_version not in REPLAYED:
            return ()
        order, version = tuple(header.fold_order) or None, header.rule_version
        return (
            self._read(lambda: ladder_of(config_from(self.space, fold_order=order, rule_version=version)))
            or ()
        )

    @property
    def larger_is_better(self) -> bool:
        return self.space.mode == "max"

    @cached_property
    def remarks(self) -> Remarks:
        """Notes and scores of a leaderboard that its user wrote down, oldest first."""
        found = read_remarks(self.path)
        self.notes.extend(fault for fault in found.faults if fault not in self.notes)
        return found

    @property
    def leaderboard_scores(self) -> tuple[LeaderboardScore, ...]:
        """Each with the out-of-fold score that was known when it came."""
        return self.remarks.scores

    # ---- its trials ----

    @cached_property
    def statuses(self) -> tuple[TrialStatus, ...]:
        """Of every proposed trial, best first, complete ones before the others."""
        study = self.study
        return tuple(statuses_of(list(study.configs), self.space, study.events, self.header.epoch_choice))

    @cached_property
    def complete(self) -> tuple[CompleteTrial, ...]:
        """Best first."""
        return tuple(self.study.complete_trials())

    @property
    def best(self) -> CompleteTrial | None:
        return self.complete[0] if self.complete else None

    @cached_property
    def confidence_set(self) -> ConfidenceSet:
        """Of the complete trials; where it cannot be made its `reason` says why."""
        return self.study.confidence_set()

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """As `Study.leaderboard`."""
        return self.study.leaderboard(self.confidence_set)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """As `Study.curves`: a row per trial, fold and epoch."""
        return self.study.curves()

    @cached_property
    def history(self) -> History:
        """Epochs of every fold run, in the line of descent that its stored state continues."""
        return History(self.space.mode, self.study.events, self.header.epoch_choice)

    @cached_property
    def failures(self) -> tuple[LegFailed, ...]:
        """Every failure in the order of the journal, those that a retry mended included."""
        return tuple(item for item in self.study.events if isinstance(item, LegFailed))

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """A row per decision in the order of the journal: trial, fold (missing where it is on the trial),
        action, reason."""
        found = [item for item in self.study.events if isinstance(item, Decided)]
        return pd.DataFrame(
            {
                "trial": [item.trial for item in found],
                "fold": pd.array([item.fold for item in found], "Int64"),
                "action": [item.action for item in found],
                "reason": [item.reason for item in found],
            }
        )

    @property
    def spent(self) -> int:
        """Fold-epochs, those that were run again included."""
        return sum(item.epochs_spent for item in self.statuses)

    @property
    def exhaustive_cost(self) -> int:
        """Fold-epochs of all its trials on all folds at full length."""
        return self.study.trials * self.space.folds * self.space.max_t

    # ---- its rows ----

    @cached_property
    def manifest(self) -> Manifest | None:
        return self._read(self.study.manifest)

    @cached_property
    def fold_plan(self) -> FoldPlan | None:
        return self._read(self.study.fold_plan)

    @cached_property
    def copies(self) -> KnownClusters | None:
        """Which rows of the manifest show the same picture, by what `check` found of them before and by the
        bytes of their files. Nothing is decoded. None where there are no image files, where none is a copy,
        and where it could not be found out, which `copies_fault` tells."""
        return self._copies[0]

    @property
    def copies_fault(self) -> str:
        """Why it could not be found out which rows are copies; "" where it was."""
        return self._copies[1]

    @cached_property
    def _copies(self) -> tuple[KnownClusters | None, str]:
        manifest = self.manifest
        if manifest is None or self.header.demo:
            return None, ""
        try:
            return copies_of(manifest, self.path.parent / ".cache"), ""
        except (OrchestratorError, OSError) as error:
            return None, str(error)

    def oof(self, trial: int) -> Prediction | None:
        """Out-of-fold probabilities of a complete trial."""
        if trial not in self._oof:
            self._oof[trial] = self._read(lambda: self.study.oof(trial))
        return self._oof[trial]

    @cached_property
    def _oof(self) -> dict[int, Prediction | None]:
        return {}

    @cached_property
    def ensemble_oof(self) -> Prediction | None:
        """Out-of-fold probabilities of the ensemble, in the classes of its record's target."""
        found = self.ensemble
        return None if found is None else self._read(lambda: read_prediction(found.folder / "oof.parquet")[0])

    def groups_of(self, prediction: Prediction) -> np.ndarray[tuple[int], np.dtype[np.str_]] | None:
        """(n,) of its rows; None where there is no manifest."""
        manifest = self.manifest
        return None if manifest is None else manifest.frame["group"].to_numpy(dtype=str)[prediction.rows]

    def _read(self, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except (OrchestratorError, OSError) as error:
            note = str(error)
            if note not in self.notes:
                self.notes.append(note)
            return None


def take_snapshot(path: Path, *, trust: bool = False, ensemble: Path | None = None) -> StudySnapshot:
    """Of a study at any time, also while it runs. trust: as of `Study`. ensemble: the folder of one made of
    it; None is the newest in the study. Raises StudyError where none is there or its journal is damaged."""
    study, notes = Study(path, trust=trust), list[str]()
    return StudySnapshot(study, _ensemble(path, ensemble, notes), time.time(), notes)


def _ensemble(path: Path, named: Path | None, notes: list[str]) -> FoundEnsemble | None:
    if named is None and not any(path.glob("*/ensemble.json")):
        return None
    try:
        folder = named or newest_ensemble(path)
        return FoundEnsemble(folder, read_record(folder))
    except (EnsembleError, OSError) as error:
        notes.append(str(error))
        return None
