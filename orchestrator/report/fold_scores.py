"""What the recommended scores on each fold: a mean hides a fold on which it fails."""

from __future__ import annotations

import math
from collections.abc import Mapping

from orchestrator.core.text import counted
from orchestrator.pages.figures import Interval, IntervalChart
from orchestrator.report.recommended import metric_of, recommended
from orchestrator.snapshot import StudySnapshot


def fold_scores(snapshot: StudySnapshot) -> tuple[IntervalChart, ...]:
    """() where nothing is recommended, or its scores by fold are not known."""
    found, scores = recommended(snapshot), scores_by_fold(snapshot)
    if found is None or len(scores) < 2:
        return ()
    plan = snapshot.fold_plan
    rows = {} if plan is None else {fold: int((plan.folds == fold).sum()) for fold in scores}
    low, high = min(scores, key=scores.__getitem__), max(scores, key=scores.__getitem__)
    return (
        IntervalChart(
            "Score on each fold",
            metric_of(snapshot),
            [
                Interval(f"fold {fold}", score, note=counted(rows[fold], "row") if rows.get(fold) else "")
                for fold, score in scores.items()
            ],
            f"Of {found.name}: {scores[low]:.3f} on fold {low} to {scores[high]:.3f} on fold {high}. The "
            "rows of a fold are judged by models that were trained on the other folds.",
            reference=sum(scores.values()) / len(scores),
            reference_label="mean of folds",
        ),
    )


def scores_by_fold(snapshot: StudySnapshot) -> Mapping[int, float]:
    """Fold -> score of the newest ensemble, else of the best trial; {} where it is not known."""
    if snapshot.ensemble is not None:
        record = snapshot.ensemble.record
        known = record.metrics.get(record.metric, {}).get("folds") or {}
        found = {int(fold): score for fold, score in known.items() if isinstance(score, int | float)}
    else:
        best = snapshot.best
        found = {} if best is None else {item.fold: item.score for item in best.bests}
    return {fold: float(found[fold]) for fold in sorted(found) if math.isfinite(found[fold])}
