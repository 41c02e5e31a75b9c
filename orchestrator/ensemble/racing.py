"""The races of an ensemble's studies, to be run again on resamples; or why they cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import SearchSpaceError, StudyError
from orchestrator.ensemble.composing import Options, compose
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates
from orchestrator.ensemble.pooling import Candidate, pools_from
from orchestrator.evaluation.judged import Races
from orchestrator.evaluation.kept_epochs import KeptEpochs
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.whole_race import Fit, Raced, ReplayedTrial
from orchestrator.race.config import config_from
from orchestrator.study.epoch_choice import REFINE
from orchestrator.study.epoch_predictions import EpochPredictions
from orchestrator.study.study import CompleteTrial


def races_of(inputs: EnsembleInputs, options: Options) -> Races | str:
    """Of all studies, or a sentence on why there are none."""
    try:
        races, fit = [_raced(study) for study in inputs.studies], _fit(inputs, options)
    except (StudyError, SearchSpaceError) as error:
        return f"Not made: {error}."
    trials = (trial for study in inputs.studies for trial in study.trials)
    return Races(races, fit, sum(not isinstance(trial, CompleteTrial) for trial in trials))


def _raced(study: StudyCandidates) -> Raced:
    """Raises StudyError where too little was kept, SearchSpaceError for a rule that is not known."""
    kept = EpochPredictions.open(study.study)
    header = study.study.header
    if kept.missing():
        raise StudyError(_what_is_lost(study, len(kept.epochs()), len(kept.in_journal())))
    order = tuple(header.fold_order) or None
    cfg = config_from(study.space, fold_order=order, rule_version=header.rule_version)
    race = RaceAgain.of(header.rule, cfg, study.study.events)
    first = study.predictions[0]
    return Raced(
        _kept_epochs(study, kept), race, first.labels, study.space.metric, study.condition_mask,
        refines=header.epoch_choice == REFINE,
    )  # fmt: skip


def _what_is_lost(study: StudyCandidates, there: int, every: int) -> str:
    path = study.study.path
    if study.study.header.keep_oof == "complete":
        return (
            f"study {path} was begun with --keep-oof complete, so what dropped trials predicted is gone "
            f"({there} of {every} epochs are kept): its race cannot be run again, nor can dropped trials be "
            "scored by another metric; search anew without that option to have both"
        )
    return (
        f"study {path}: the predictions of {every - there} of {every} epochs are missing, so its race "
        "cannot be run again; restore them, or search anew"
    )


def _kept_epochs(study: StudyCandidates, kept: EpochPredictions) -> KeptEpochs:
    """On the rows of the ensemble, in their order."""
    place = np.full(len(kept.folds), -1)
    place[study.own_rows] = np.arange(len(study.own_rows))
    own: dict[int, NDArray[np.int64]] = {fold: place[kept.rows(fold)] for fold in range(study.space.folds)}

    def read(trial: int, fold: int, epoch: int) -> Probabilities:
        return kept.probabilities(trial, fold, epoch)[own[fold] >= 0]

    return KeptEpochs(kept.epochs(), {fold: rows[rows >= 0] for fold, rows in own.items()}, read)


def _fit(inputs: EnsembleInputs, options: Options) -> Fit:
    """Everything that is chosen and fitted, from the trials that end a replay as from the true ones."""
    configs = [
        {number: {**study.study.header.defaults, **config} for number, config in study.study.configs.items()}
        for study in inputs.studies
    ]

    def fit(studies: Sequence[Sequence[ReplayedTrial]], weights: NDArray[np.float32]) -> Probabilities:
        candidates = [
            [Candidate(trial.trial, own[trial.trial], trial.probabilities) for trial in trials]
            for trials, own in zip(studies, configs, strict=True)
        ]
        return compose(pools_from(inputs, candidates), options, weights, quick=True).judged.final

    return fit
