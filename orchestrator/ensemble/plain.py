"""An ensemble in which nothing is fitted: the best trials vote, and that is the answer. Pure."""

from __future__ import annotations

from orchestrator.core.choices import VOTE_KINDS
from orchestrator.ensemble.composing import AUTO, NONE, Options, Pools, TermPool
from orchestrator.ensemble_record.chain_rule import combine
from orchestrator.evaluation.decisions import kind_for
from orchestrator.evaluation.voted import Candidates, PlainVote
from orchestrator.evaluation.voting import FITTED_VOTES, vote_of

PLAIN = tuple(kind for kind in VOTE_KINDS if kind not in FITTED_VOTES)
"""Votes that follow from the members and their ranking alone."""


def plain_vote(pools: Pools, options: Options) -> PlainVote | None:
    """What `method_of` does, where it is no more than a vote of the best trials; else None."""
    decides = options.decide == AUTO and kind_for(pools.rows.metric, pools.rows.labels) is not None
    if len(pools.routes) > 1 or options.vote not in PLAIN or options.calibrate != NONE or decides:
        return None
    terms = pools.routes[0].terms
    if any(item.pool.mask is not None for item in terms):  # a resample may hold no row that one is fitted to
        return None
    chain = [item.term for item in terms]
    return PlainVote(
        [_candidates(item) for item in terms],
        vote_of(options.vote, terms[0].pool.multi_label),
        lambda votes: combine(pools.target, chain, votes),
    )


def _candidates(item: TermPool) -> Candidates:
    """In the order of their names, by which ties are decided."""
    pool = item.pool
    members = [pool.members[at] for at in pool.by_name]
    return Candidates(members, pool.labels, pool.folds, item.top, pool.metric, pool.mode)
