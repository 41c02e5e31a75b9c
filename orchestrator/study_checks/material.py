"""What the checks look at, each part read when the first check asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.events import FoldRunKey, State
from orchestrator.core.metrics import is_own
from orchestrator.data.folds import FoldPlan
from orchestrator.data.manifest import Manifest
from orchestrator.ensemble_record.record import EnsembleRecord
from orchestrator.ensemble_record.refitting import refitted_answers
from orchestrator.evaluation.bootstrap import draw_bags, group_codes
from orchestrator.evaluation.fold_means import FoldMeans
from orchestrator.evaluation.resampled_scores import affordable, defined
from orchestrator.snapshot import StudySnapshot
from orchestrator.space import SearchSpace
from orchestrator.space.condition import condition_mask
from orchestrator.study.predictions import Prediction
from orchestrator.study.study import CompleteTrial
from orchestrator.study_checks.fitted_baseline import FittedBaseline
from orchestrator.study_checks.unseen import UnseenError

Part = TypeVar("Part")
REPEATS = 500  # resamples of the groups


@dataclass(frozen=True)
class Answered:
    """Rows with what was predicted of them out of fold."""

    rows: NDArray[np.int64]  # (n,) of the manifest
    labels: Labels  # (n,), or (n, L) where a row may have several labels
    probabilities: Probabilities  # (n, C) or (n, L)
    folds: NDArray[np.int16]  # (n,)
    groups: NDArray[np.str_]  # (n,)

    def taken(self, which: NDArray[np.bool_]) -> Answered:
        """The rows where `which` (n,) is true."""
        return Answered(
            self.rows[which],
            self.labels[which],
            self.probabilities[which],
            self.folds[which],
            self.groups[which],
        )


@dataclass(frozen=True)
class Material:
    """A property raises UnseenError where its part is missing, or another OrchestratorError."""

    snapshot: StudySnapshot
    seed: int
    baseline: FittedBaseline | None = None
    others: Sequence[StudySnapshot] = ()  # that it is compared with

    def rng(self, code: str) -> np.random.Generator:
        """The same for a check whatever other checks ran before it."""
        return np.random.default_rng([self.seed, int(code[2:])])

    @property
    def space(self) -> SearchSpace:
        return self.snapshot.space

    @property
    def sign(self) -> float:
        return 1.0 if self.snapshot.larger_is_better else -1.0

    # ---- trials ----

    @property
    def complete(self) -> tuple[CompleteTrial, ...]:
        """Best first; one at least."""
        if not self.snapshot.complete:
            raise UnseenError("no trial is complete")
        return self.snapshot.complete

    @property
    def best(self) -> CompleteTrial:
        return self.complete[0]

    @property
    def ranked(self) -> list[int]:
        """Trials that were judged, best first; not failed ones: how far those came says nothing of them."""
        judged = (item for item in self.snapshot.statuses if item.score is not None)
        return [item.trial for item in judged if item.state is not State.FAIL]

    @cached_property
    def fold_scores(self) -> Floats:
        """(m, k) of the complete trials, larger is better."""
        return self.sign * np.array([[best.score for best in trial.bests] for trial in self.complete], float)

    @cached_property
    def curves(self) -> Floats:
        """(m, k, epochs) of the complete trials, larger is better."""
        history, epochs = self.snapshot.history, self.space.max_t
        runs = [
            [
                [event.score for event in history.epochs(FoldRunKey(trial.number, fold))[:epochs]]
                for fold in range(self.space.folds)
            ]
            for trial in self.complete
        ]
        return self.sign * np.array(runs, float)

    # ---- rows ----

    @property
    def manifest(self) -> Manifest:
        return _there(self.snapshot.manifest, "the table of rows is missing")

    @property
    def fold_plan(self) -> FoldPlan:
        return _there(self.snapshot.fold_plan, "the folds are missing")

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """(rows,) of the whole manifest."""
        return self.manifest.frame["group"].astype(str).to_numpy(dtype=str)

    @cached_property
    def labels(self) -> Labels:
        """Of the whole manifest; of a row that no study scores they may be below 0."""
        return self.space.target.encode(self.manifest.frame)

    @cached_property
    def scored(self) -> NDArray[np.int64]:
        """The manifest's rows that trials are ranked on."""
        mask = condition_mask(self.space, self.manifest.frame)
        inside = self.fold_plan.folds >= 0
        return np.flatnonzero(inside if mask is None else inside & mask)

    def frame_of(self, rows: NDArray[np.int64]) -> pd.DataFrame:
        return self.manifest.frame.iloc[rows]

    def answered(self, trial: int) -> Answered:
        """What a complete trial predicts of the rows that it is ranked on."""
        found = self.snapshot.oof(trial)
        if found is None:
            raise UnseenError(f"the predictions of trial {trial} are missing or damaged")
        return self._answered(found, conditioned=True)

    @cached_property
    def ensemble_answered(self) -> Answered:
        """The newest ensemble's, calibrated; its classes are those of its own target."""
        if self.record.manifest.get("fingerprint") != self.manifest.fingerprint:
            raise UnseenError("the newest ensemble is of other rows")
        found = self.snapshot.ensemble_oof
        return self._answered(_there(found, "the ensemble's predictions are missing"), conditioned=False)

    @cached_property
    def ensemble_refitted(self) -> tuple[Probabilities, Probabilities]:
        """The ensemble's answers calibrated, and with decisions in them: each row by a temperature and
        decisions that were fitted to the other folds. Rows as `ensemble_answered`."""
        stored = self.ensemble_answered
        codes, _ = group_codes(stored.groups)
        return refitted_answers(self.record, stored.labels, stored.probabilities, stored.folds, codes)

    def _answered(self, found: Prediction, conditioned: bool) -> Answered:
        kept = np.isin(found.rows, self.scored) if conditioned else np.ones(len(found.rows), np.bool_)
        rows = found.rows[kept]
        return Answered(
            rows, found.labels[kept], found.probabilities[kept], found.folds[kept], self.groups[rows]
        )

    # ---- how sure a score is ----

    def resampled(self, code: str, *answers: Answered) -> Floats:
        """(1 + repeats, answers): the scores that trials are ranked by, of all rows in the first line, then
        of resampled groups; larger is better. All answers are of the same rows.

        Raises UnseenError for a metric of the user's own, EnsembleError for fewer than two groups and where
        the metric is undefined.
        """
        if is_own(self.space.metric):
            raise UnseenError(f"{self.space.metric} is a function of your own, which is not called for it")
        one, metric = answers[0], self.space.metric
        if not all(np.array_equal(one.rows, other.rows) for other in answers):
            raise UnseenError("the answers to compare are of different rows")
        codes, count = group_codes(one.groups)
        weights = draw_bags(count, affordable(REPEATS, metric), self.rng(code))
        weights = np.vstack([np.ones((1, count), np.float32), weights])
        means = FoldMeans(one.labels, one.folds, codes, weights, metric)
        found: Floats = self.sign * np.stack([means(item.probabilities) for item in answers], axis=1)
        defined(found[0], metric)
        return found[np.isfinite(found).all(axis=1)]

    @cached_property
    def standard_error(self) -> float:
        """Of the best trial's score, over resampled groups."""
        return float(self.resampled("FO000", self.answered(self.best.number))[1:].std())

    # ---- its ensemble ----

    @property
    def record(self) -> EnsembleRecord:
        found = self.snapshot.ensemble
        return _there(found, "there is no ensemble").record


def _there(found: Part | None, why: str) -> Part:
    if found is None:
        raise UnseenError(why)
    return found
