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
from orchestrator.ensemble.composing import Options
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.members import gather
from orchestrator.ensemble.recording import write_ensemble
from orchestrator.ensemble.scoring import score_parts
from orchestrator.ensemble.untouched import find_untouched, score_untouched
from orchestrator.ensemble.writing import check_out
from orchestrator.study.study import Study

AnyStudy = Path | str | Study
"""A study, or the folder it lies in."""


def build_ensemble(
    studies: AnyStudy | Sequence[AnyStudy],
    *,
    vote: str = "auto",
    calibrate: str = "auto",
    decide: str = "auto",
    top: int | None = None,
    repeats: int | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    trust: bool = False,
    progress: Progress | None = None,
) -> Ensemble:
    """The trials of one study, or of several that belong together, as a folder that predicts.

    vote: over trials; "auto" takes the best trial, the uniform vote of the best or greedy weights, the richer
    one only if it gains more than one standard error on rows that it was not fitted to. calibrate, decide:
    "auto" fits a temperature, and decisions (class offsets, cut points, thresholds), where they gain as much;
    "none" fits none. top: trials of each study in a uniform vote, by default `finalists` of its space.
    repeats: resamples behind the estimates, by default as many as are quickly done. out: the folder to
    write, by default a new one in the study, or beside the studies if there are several. seed: of the
    resampling. trust: studies from elsewhere may import what they name. progress counts resamples, then
    models that are copied, then predictions of rows with role test and labels, where there are any.
    Raises EnsembleError where studies don't belong together or `out` exists, NoCompleteTrialError,
    StudyError, StorageError.
    """
    options = Options(vote, calibrate, decide, seed)
    paths = _paths(studies)
    folder = default_out(paths) if out is None else Path(out)
    check_out(folder)  # resampling takes minutes: a folder that cannot be written is found before
    inputs = gather(paths, top, trust)
    scores = score_parts(inputs, options, np.random.default_rng(seed), progress, repeats)
    write_ensemble(folder, inputs, scores, options, None, progress)
    ensemble = Ensemble.load(folder, trust=trust)
    studied = [item.study for item in inputs.studies]
    untouched = find_untouched(studied[0], ensemble.target, studied[1:]).manifest
    if untouched is None:
        return ensemble
    trained = [study.manifest() for study in studied]
    return score_untouched(ensemble, untouched, np.random.default_rng(seed), progress, trained=trained)[0]


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
