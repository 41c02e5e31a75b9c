"""Studies to an ensemble in one call; the command prints between the same three steps."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import suggestion
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.members import gather
from orchestrator.ensemble.scoring import score_parts
from orchestrator.ensemble.writing import check_out, write_ensemble
from orchestrator.evaluation.voting import VOTES
from orchestrator.study.study import Study

AnyStudy = Path | str | Study
"""A study, or the folder it lies in."""


def build_ensemble(
    studies: AnyStudy | Sequence[AnyStudy],
    *,
    vote: str = "soft",
    top: int | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    trust: bool = False,
    progress: Progress | None = None,
) -> Ensemble:
    """The best trials of one study, or of several that make up one label, as a folder that predicts.

    vote: "soft" or "hard", over trials. top: members of each study, by default `finalists` of its space.
    out: the folder to write, by default a new one in the study, or beside the studies if there are several.
    seed: of the resampling. trust: studies from elsewhere may import what they name. progress counts
    resamples, then models that are copied.
    Raises EnsembleError where studies don't belong together or `out` exists, NoCompleteTrialError,
    StudyError, StorageError.
    """
    if vote not in VOTES:
        raise EnsembleError(f"vote={vote!r} is not known; use {' or '.join(VOTES)}{suggestion(vote, VOTES)}")
    paths = _paths(studies)
    folder = default_out(paths) if out is None else Path(out)
    check_out(folder)  # resampling takes minutes: a folder that cannot be written is found before
    inputs = gather(paths, top, trust)
    scores = score_parts(inputs, vote, np.random.default_rng(seed), progress)
    write_ensemble(folder, inputs, scores, vote, None, progress)
    return Ensemble.load(folder, trust=trust)


def default_out(studies: Sequence[Path]) -> Path:
    """A new name: in the one study, or beside several, in the nearest folder that holds them all."""
    now = time.strftime("%Y%m%d-%H%M%S")
    several = [path.name for path in studies] if len(studies) > 1 else []
    name = "-".join(["ensemble", *several, now])
    folder = _holding(studies) if several else studies[0]
    names = chain([name], (f"{name}-{number}" for number in count(2)))  # small ones take less than a second
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def _holding(studies: Sequence[Path]) -> Path:
    """As the user writes it where one folder holds them directly."""
    parents = list(dict.fromkeys(study.parent for study in studies))
    return parents[0] if len(parents) == 1 else Path(os.path.commonpath([p.resolve() for p in parents]))


def _paths(studies: AnyStudy | Sequence[AnyStudy]) -> list[Path]:
    given = [studies] if isinstance(studies, str | Path | Study) else list(studies)
    if not given:
        raise EnsembleError("an ensemble needs at least one study; none was given")
    return [item.path if isinstance(item, Study) else Path(item) for item in given]
