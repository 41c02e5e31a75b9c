"""What a report says to use: the newest ensemble, else the best trial."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.data.targets import Target
from orchestrator.snapshot import FoundEnsemble, StudySnapshot
from orchestrator.study.predictions import Prediction


@dataclass(frozen=True)
class Recommended:
    """One of `ensemble` and `trial` is there."""

    name: str  # such as "the ensemble ensemble-20261129-144004" or "trial 7"
    target: Target  # what it predicts; of an ensemble of several studies it may be their joint label
    prediction: Prediction | None  # its out-of-fold probabilities; None where they cannot be read
    ensemble: FoundEnsemble | None = None
    trial: int | None = None


def metric_of(snapshot: StudySnapshot) -> str:
    """By which what is recommended is judged: an ensemble may have another metric than its studies."""
    return snapshot.space.metric if snapshot.ensemble is None else snapshot.ensemble.record.metric


def recommended(snapshot: StudySnapshot) -> Recommended | None:
    """None where there is neither an ensemble nor a complete trial."""
    found, best = snapshot.ensemble, snapshot.best
    if found is not None:
        name, target = f"the ensemble {found.folder.name}", found.record.target
        return Recommended(name, target, snapshot.ensemble_oof, ensemble=found)
    if best is None:
        return None
    prediction = snapshot.oof(best.number)
    return Recommended(f"trial {best.number}", snapshot.space.target, prediction, trial=best.number)
