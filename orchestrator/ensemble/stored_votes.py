"""A study's trials on untouched rows, stored where the simulator looks for test scores."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError
from orchestrator.core.trainable import Resources
from orchestrator.ensemble.untouched import find_untouched, trial_votes, without_copies
from orchestrator.study.study import Study
from orchestrator.study.votes import write_votes


def store_votes(
    study: Study | Path | str, progress: Progress | None = None, resources: Resources | None = None
) -> Path:
    """Predicts the rows with role test and labels with every complete trial: votes.parquet in the study.

    `python -m orchestrator.race.simulate` then has a test score of each. Copies of images that the study
    trained on are left out. progress counts fold models. Raises
    EnsembleError where there are no such rows, else what `trial_votes` raises; StorageError.
    """
    study = study if isinstance(study, Study) else Study(study)
    found = find_untouched(study)
    if found.manifest is None:
        why = found.note or "its source has no rows with role test"
        raise EnsembleError(f"study {study.path}: {why}, so its trials have no test score")
    rows = without_copies(found.manifest, study)
    if not len(rows):
        raise EnsembleError(
            f"study {study.path}: all {len(found.manifest)} rows with role test are copies of images that it "
            "trained on, so its trials have no test score"
        )
    votes = trial_votes(study, rows, progress, resources)
    target, header = study.space.target, study.header
    labels = target.encode(rows.frame)
    write_votes(study.files.votes, votes, labels, target.classes, header.metric, header.mode)
    return study.files.votes
