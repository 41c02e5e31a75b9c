"""The honest scores that a report shows of one study, in the order of how much they correct. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import is_own
from orchestrator.core.text import counted
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.corrected_t import corrected_half_width
from orchestrator.evaluation.estimate import Estimate
from orchestrator.pages.figures import Interval
from orchestrator.snapshot import StudySnapshot
from orchestrator.space.condition import condition_mask
from orchestrator.study.study import CompleteTrial

LED_BY = ("bbc_race", "bbc", "cross_fitted", "naive")
"""Keys of an ensemble's estimates: the one that says most of new images of the same kind first."""


def estimates_of(snapshot: StudySnapshot, seed: int) -> tuple[Estimate, ...]:
    """Of the ensemble where there is one, else of the best trial; () without a complete trial."""
    if snapshot.ensemble is not None:
        return tuple(snapshot.ensemble.record.estimates.values())
    best = snapshot.best
    return () if best is None else (_mean_of_folds(snapshot, best), *_of_all_rows(snapshot, best, seed))


def leading(estimates: Sequence[Estimate]) -> Estimate | None:
    """The one to tell somebody: of an ensemble that which corrects most; of a trial its mean over folds."""
    known = {item.key: item for item in estimates if item.is_defined}
    return next((known[key] for key in LED_BY if key in known), next(iter(known.values()), None))


def interval_of(found: Estimate) -> Interval:
    note = f"{found.level:.0%} interval, {found.method}"
    return Interval(found.title or found.method, found.score, found.low, found.high, note)


def _mean_of_folds(snapshot: StudySnapshot, best: CompleteTrial) -> Estimate:
    half = corrected_half_width([fold.score for fold in best.bests])
    meaning = (
        f"The mean over {counted(len(best.bests), 'fold')} of each one's kept epoch; it is what trials are "
        f"ranked by. Not corrected: the trial is the best of {counted(len(snapshot.statuses), 'trial')} and "
        "each fold's epoch was chosen on its own rows, so it flatters."
    )
    method = "corrected resampled t over folds" if math.isfinite(half) else "one fold: no interval"
    return Estimate(
        best.score, best.score - half, best.score + half, 0.95, method, len(best.bests),
        f"Trial {best.number}, mean over folds", meaning, "mean_of_folds",
    )  # fmt: skip


def _of_all_rows(snapshot: StudySnapshot, best: CompleteTrial, seed: int) -> tuple[Estimate, ...]:
    """All out-of-fold rows at once; () where they cannot be read, or are of one group, and by a metric of
    one's own, which is not called here: the study may come from somebody else."""
    if is_own(snapshot.space.metric):
        return ()
    oof = snapshot.oof(best.number)
    groups = None if oof is None else snapshot.groups_of(oof)
    manifest = snapshot.manifest
    if oof is None or groups is None or manifest is None:
        return ()
    mask = condition_mask(snapshot.space, manifest.frame)
    kept = np.ones(len(oof.rows), np.bool_) if mask is None else mask[oof.rows]
    rng = np.random.default_rng(seed)
    try:
        found = group_bootstrap(
            oof.labels[kept], oof.probabilities[kept], groups[kept], snapshot.space.metric, rng
        )
    except EnsembleError:  # an interval over groups needs two of them
        return ()
    meaning = (
        f"All {int(kept.sum())} rows at once, each judged by models that did not train on it or its group; "
        f"{counted(found.n_groups, 'group')}. Not corrected: trial and epochs were chosen on these same rows."
    )
    return (found.described("oof", f"Trial {best.number}, all rows at once", meaning),)
