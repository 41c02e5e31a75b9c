"""From studies' trials to the pools that votes are chosen from. Pure, but for the arrays it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.ensemble.composing import Pools, RoutePools, TermPool
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates, TermStudies
from orchestrator.evaluation.bootstrap import group_codes
from orchestrator.evaluation.pool import JudgedRows, Pool

BACKBONES = ("backbone", "model", "architecture", "arch", "network")
"""Parameters that say which network a trial is of."""


@dataclass(frozen=True)
class Candidate:
    """A trial that may vote."""

    trial: int
    config: Mapping[str, Any]
    probabilities: Probabilities  # (n, C) out-of-fold


def complete(study: StudyCandidates) -> list[Candidate]:
    """All trials of a study that may vote, best first."""
    pairs = zip(study.trials, study.predictions, strict=True)
    return [Candidate(trial.number, study.config(trial), item.probabilities) for trial, item in pairs]


def pools_of(inputs: EnsembleInputs) -> Pools:
    """Of all trials that may vote."""
    return pools_from(inputs, [complete(study) for study in inputs.studies])


def pools_from(inputs: EnsembleInputs, candidates: Sequence[Sequence[Candidate]]) -> Pools:
    """candidates: of each of `inputs.studies`, in their order."""
    codes = group_codes(inputs.groups)[0]
    own = dict(zip((study.name for study in inputs.studies), candidates, strict=True))
    rows = JudgedRows(
        labels=inputs.labels, folds=inputs.folds, codes=codes, metric=inputs.metric, mode=inputs.mode
    )
    routes = tuple(
        RoutePools(route.name, tuple(_term_pool(rows, term, own) for term in route.terms))
        for route in inputs.routes
    )
    return Pools(inputs.target, rows, routes)


def _term_pool(
    rows: JudgedRows, term: TermStudies, candidates: Mapping[str, Sequence[Candidate]]
) -> TermPool:
    first = term.studies[0]
    several = len(term.studies) > 1
    found = [(study, item) for study in term.studies for item in candidates[study.name]]
    pool = Pool(
        labels=first.predictions[0].labels,
        folds=rows.folds,
        codes=rows.codes,
        metric=rows.metric,
        mode=rows.mode,
        mask=term.condition_mask,
        members=np.stack([item.probabilities for _, item in found]),
        names=tuple(
            f"{study.name} trial {item.trial}" if several else f"trial {item.trial}" for study, item in found
        ),
        families=_families([(study.space.trainable, item.config) for study, item in found]),
    )
    return TermPool(term.term, pool, term.top)


def _families(trials: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """(m,) trainable and network of each; () where all are of one, which then sets no limit."""
    found = tuple(f"{trainable} {_backbone(config)}".rstrip() for trainable, config in trials)
    return found if len(set(found)) > 1 else ()


def _backbone(config: Mapping[str, Any]) -> str:
    named = (config[name] for name in BACKBONES if isinstance(config.get(name), str))
    return str(next(named, ""))
