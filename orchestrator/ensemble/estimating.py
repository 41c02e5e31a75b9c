"""The honest numbers of an ensemble, each with what it corrects. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import StudyError
from orchestrator.core.text import counted
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.cross_fitted import cross_fitted
from orchestrator.evaluation.estimate import Estimate, no_estimate
from orchestrator.evaluation.intervals import scored
from orchestrator.evaluation.judged import Judged
from orchestrator.evaluation.whole_race import whole_race


def naive(judged: Judged, rng: np.random.Generator, repeats: int, progress: Progress | None) -> Estimate:
    """All out-of-fold rows at once, and how that flatters. Raises EnsembleError for fewer than two groups."""
    del repeats, progress  # it takes seconds
    found = scored(judged.answers, rng)
    meaning = (
        f"All {judged.rows} at once, each judged by models that did not train on it or its group; "
        f"{found.n_groups} groups. Not corrected: members, weights and epochs were chosen on these same "
        f"rows, so it flatters. As all numbers here it judges one fold model per trial and row, "
        f"{judged.views}; new images get the mean of all folds' models, which is usually somewhat better."
    )
    summary = (
        f"All {judged.rows} at once, {judged.views}; corrected: nothing, all was chosen on these rows, so it "
        "flatters"
    )
    return found.described("naive", f"OOF {judged.answers.metric}", meaning, summary)


def crossed(judged: Judged, rng: np.random.Generator, repeats: int, progress: Progress | None) -> Estimate:
    """Members, weights, temperature and decisions fitted without the fold that is scored."""
    del repeats, progress
    answers = judged.answers
    return cross_fitted(judged.method, answers.labels, answers.folds, answers.groups, answers.metric, rng)


def finalists(judged: Judged, rng: np.random.Generator, repeats: int, progress: Progress | None) -> Estimate:
    """BBC-CV over the trials that may vote."""
    return bbc(judged.quick, judged.answers, rng, repeats, progress=progress, plain=judged.plain)


def race(judged: Judged, rng: np.random.Generator, repeats: int, progress: Progress | None) -> Estimate:
    """The whole race replayed, or why it cannot be."""
    title = f"BBC {judged.answers.metric}, whole race"
    if isinstance(judged.races, str):
        return no_estimate("bbc_race", title, judged.races)
    try:
        found = whole_race(
            judged.races.studies, judged.races.fit, judged.answers, rng, repeats,
            workers=judged.workers, progress=progress,
        )  # fmt: skip
    except StudyError as error:  # what was kept is damaged: everything else stands
        return no_estimate("bbc_race", title, f"Not made: {error}.")
    if not (judged.races.unfinished and found.estimate.is_defined):
        return found.estimate
    few = counted(judged.races.unfinished, "trial")
    left = f"{few} of fewer epochs may vote too, and no replay has such ones"
    return replace(
        found.estimate,
        meaning=f"{found.estimate.meaning} Not corrected: {left}.",
        summary=f"{found.estimate.summary.removesuffix('.')}. Not corrected: {left}",
    )


ESTIMATES: dict[str, Callable[[Judged, np.random.Generator, int, Progress | None], Estimate]] = {
    "naive": naive,
    "cross_fitted": crossed,
    "bbc": finalists,
    "bbc_race": race,
}
"""Key in ensemble.json -> what makes it of (rows, rng, repeats, progress). They are printed in this order."""


def estimates_of(
    judged: Judged, rng: np.random.Generator, repeats: int, progress: Progress | None = None
) -> dict[str, Estimate]:
    """By the keys of ESTIMATES. Raises EnsembleError for fewer than two groups."""
    return {key: make(judged, rng, repeats, progress) for key, make in ESTIMATES.items()}
