"""From pools of trials to one answer: votes, products, their blend, temperature, decisions. Pure.

Each step is fitted to the answers of the one before it, and gated on rows that neither has seen: see
`evaluation.pool.Answers`. The whole is a `Method`, so that every estimate repeats all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.choices import GATED, VOTE_KINDS
from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import suggestion
from orchestrator.data.targets import Target
from orchestrator.ensemble_record.chain_rule import Term, combine
from orchestrator.evaluation.blend import BlendChoice, choose_blend
from orchestrator.evaluation.calibration import Calibration, calibrate
from orchestrator.evaluation.choose_vote import Considered, choose_vote
from orchestrator.evaluation.decisions import DecisionsChoice, choose_decisions, kind_for
from orchestrator.evaluation.fitted_vote import FittedVote, fitted_vote
from orchestrator.evaluation.method import Method
from orchestrator.evaluation.pool import Answers, JudgedRows, Pool

AUTO, NONE = GATED


@dataclass(frozen=True)
class Options:
    """How an ensemble is made. Raises EnsembleError for words that are not known."""

    vote: str = AUTO  # of VOTE_KINDS
    calibrate: str = AUTO  # of GATED: a temperature where it pays, or none
    decide: str = AUTO  # of GATED: offsets, cut points or thresholds where they pay, or none
    seed: int = 0  # of the random subsets that greedy selection averages over

    def __post_init__(self) -> None:
        known = {"vote": VOTE_KINDS, "calibrate": GATED, "decide": GATED}
        for name, words in known.items():
            given = getattr(self, name)
            if given not in words:
                either = f"{', '.join(words[:-1])} or {words[-1]}"
                raise EnsembleError(
                    f"{name}={given!r} is not known; use {either}{suggestion(str(given), words)}"
                )


@dataclass(frozen=True)
class TermPool:
    """The candidates of one factor, or of a target that answers by itself."""

    term: Term
    pool: Pool
    top: int  # members of a uniform vote


@dataclass(frozen=True)
class RoutePools:
    """One way to the answer."""

    name: str
    terms: tuple[TermPool, ...]  # in the order of `chain_rule.resolve_terms`


@dataclass(frozen=True)
class Pools:
    """All that an ensemble is made from, on the same n rows."""

    target: Target
    rows: JudgedRows  # with the labels of `target`
    routes: tuple[RoutePools, ...]


@dataclass(frozen=True)
class FittedTerm:
    """A vote and, in a product, its temperature."""

    name: str  # of the vote
    vote: FittedVote  # over all members of the pool
    voted: Answers
    considered: tuple[
        Considered, ...
    ]  # votes, the best trial alone first; empty where nothing told them apart
    calibration: Calibration | None = None  # None where it answers by itself, or none was asked for

    @property
    def answers(self) -> Answers:
        return self.voted if self.calibration is None else self.calibration.answers


@dataclass(frozen=True)
class Composed:
    """Everything that was chosen and fitted, with the answers at each step."""

    terms: tuple[tuple[FittedTerm, ...], ...]  # by route
    routes: tuple[Answers, ...]
    blend: BlendChoice
    calibration: Calibration | None  # None where none was asked for
    decisions: DecisionsChoice | None
    judged: Answers  # as the metric judges them: with the decisions in them, where it looks at these

    @property
    def answers(self) -> Answers:
        """Calibrated, before anything is decided."""
        return self.blend.answers if self.calibration is None else self.calibration.answers


def compose(
    pools: Pools, options: Options, row_weights: NDArray[np.floating] | None = None, quick: bool = False
) -> Composed:
    """Fitted to the rows of positive weight alone, (n,); None: to all alike.

    quick: without bagging, for use inside resamples.
    """
    alone = len(pools.routes) == 1 and len(pools.routes[0].terms) == 1

    def fitted(item: TermPool) -> FittedTerm:
        known = _known(item.pool, row_weights).any()
        term = _voted(item, options, row_weights, quick) if known else _blind(item.pool)
        if alone or not known or options.calibrate == NONE:
            return term
        return replace(term, calibration=calibrate(item.pool, term.voted, row_weights))

    terms = tuple(tuple(fitted(item) for item in route.terms) for route in pools.routes)
    routes = tuple(
        _combined(pools.target, route.terms, [item.answers for item in own], row_weights)
        for route, own in zip(pools.routes, terms, strict=True)
    )
    blend = choose_blend(pools.rows, routes, [route.name for route in pools.routes], row_weights)
    answers, calibration = blend.answers, None
    if options.calibrate == AUTO:
        calibration = calibrate(pools.rows, answers, row_weights)
        answers = calibration.answers
    decisions, judged = _decided(pools.rows, options, answers, row_weights)
    return Composed(terms, routes, blend, calibration, decisions, judged)


def method_of(pools: Pools, options: Options, quick: bool = False) -> Method:
    """The whole as a function of row weights: see `evaluation.method`."""
    return lambda row_weights: compose(pools, options, row_weights, quick).judged.final


def _voted(
    item: TermPool, options: Options, row_weights: NDArray[np.floating] | None, quick: bool
) -> FittedTerm:
    rng = np.random.default_rng(options.seed)
    choice = choose_vote(item.pool, row_weights, options.vote, rng, item.top, quick)
    return FittedTerm(choice.name, choice.fitted, choice.answers, choice.candidates)


def _blind(pool: Pool) -> FittedTerm:
    """All alike: a resample may hold no row that a condition is true of, so nothing tells trials apart."""
    count = len(pool.names)
    fitted = fitted_vote("soft", pool.members, np.ones(count), np.ones(len(pool.labels)), pool.multi_label)
    return FittedTerm(f"soft vote of all {count}", fitted, Answers(fitted.apply(pool.members), {}), ())


def _decided(
    rows: JudgedRows, options: Options, answers: Answers, row_weights: NDArray[np.floating] | None
) -> tuple[DecisionsChoice | None, Answers]:
    """Decisions, and the answers that the metric judges."""
    if options.decide == NONE:
        return None, answers
    if kind_for(rows.metric, rows.labels) is not None or not rows.multi_label:
        found = choose_decisions(rows, answers, row_weights)
        return found, found.answers
    # The metric looks at probabilities, but whoever asks for labels is to get good ones.
    by_f1 = replace(rows, metric="macro_f1", mode="max")
    return choose_decisions(by_f1, answers, row_weights), answers


def _known(pool: Pool, row_weights: NDArray[np.floating] | None) -> NDArray[np.bool_]:
    """(n,) rows that it can be fitted to."""
    known = np.ones(len(pool.labels), np.bool_) if row_weights is None else row_weights > 0
    return known if pool.mask is None else known & pool.mask


def _folds_known(pool: Pool, row_weights: NDArray[np.floating] | None) -> set[int]:
    return set(np.unique(pool.folds[_known(pool, row_weights)]).tolist())


def _combined(
    target: Target,
    terms: Sequence[TermPool],
    votes: Sequence[Answers],
    row_weights: NDArray[np.floating] | None,
) -> Answers:
    if len(terms) == 1:
        return votes[0]
    chain = [item.term for item in terms]
    fitted_to = [_folds_known(item.pool, row_weights) for item in terms]
    without = {}
    for fold in sorted(set().union(*fitted_to)):
        # A factor that no row of this fold was fitted to knows nothing of it as it is.
        parts = [
            vote.without.get(fold, None if fold in own else vote.final)
            for vote, own in zip(votes, fitted_to, strict=True)
        ]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            without[fold] = combine(target, chain, known)
    return Answers(combine(target, chain, [vote.final for vote in votes]), without)
