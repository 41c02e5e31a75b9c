"""BBC of a vote in which nothing is fitted is told by scores alone, and is that of fitting anew each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.data.targets import Target, categorical
from orchestrator.ensemble.composing import Options, Pools, RoutePools, TermPool, method_of
from orchestrator.ensemble.plain import PLAIN, plain_vote
from orchestrator.ensemble_record.chain_rule import Term
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.intervals import Answers
from orchestrator.evaluation.pool import JudgedRows, Pool
from tests.ensemble.test_composing import pools as product_and_joint
from tests.evaluation.pools import drawn_labels_pool, drawn_pool

LEAF = categorical("leaf", ["a", "b", "c"])


def alone(pool: Pool, target: Target = LEAF, top: int = 2) -> Pools:
    own = {name: getattr(pool, name) for name in ("labels", "folds", "codes", "metric", "mode")}
    return Pools(
        target, JudgedRows(**own), (RoutePools("s", (TermPool(Term(target, None, "s"), pool, top),)),)
    )


def product(metric: str) -> Pools:
    made = product_and_joint(3)
    rows = replace(made.rows, metric=metric, mode="min" if metric == "log_loss" else "max")
    terms = tuple(
        replace(item, top=1, pool=replace(item.pool, metric=rows.metric, mode=rows.mode))
        for item in made.routes[0].terms
    )
    return Pools(made.target, rows, (replace(made.routes[0], terms=terms),))


def test_it_is_a_vote_that_neither_greed_nor_a_gate_has_a_part_in() -> None:
    assert PLAIN == ("soft", "geometric", "hard")


@pytest.mark.parametrize("vote", PLAIN)
@pytest.mark.parametrize(
    "made",
    [
        alone(drawn_pool(1, [0.9, 1.0, 1.1, 1.0, 0.8])),
        alone(drawn_pool(2, [0.9, 1.0, 1.1, 1.0], metric="log_loss")),
        alone(drawn_pool(4, [0.9, 1.0], metric="roc_auc", classes=2), categorical("leaf", ["a", "b"])),
        alone(drawn_labels_pool(5, [0.9, 1.0, 1.1]), top=3),
        product("macro_f1"),
        product("log_loss"),
    ],
    ids=["macro_f1", "log_loss", "roc_auc", "labels", "product", "product by log loss"],
)
def test_scores_alone_say_what_fitting_anew_in_every_resample_says(made: Pools, vote: str) -> None:
    options = Options(vote, "none", "none")
    method, rows = method_of(made, options, quick=True), made.rows
    answers = Answers(rows.labels, method(np.ones(len(rows.labels))), rows.folds, rows.codes, rows.metric)
    plain = plain_vote(made, options)
    assert plain is not None
    ticks: list[tuple[int, int]] = []
    fast = bbc(
        method, answers, np.random.default_rng(0), 40, plain=plain, progress=lambda *at: ticks.append(at)
    )
    slow = bbc(method, answers, np.random.default_rng(0), 40)
    assert fast.score == pytest.approx(slow.score, abs=1e-9)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=1e-9)
    assert replace(fast, score=0, low=0, high=0) == replace(slow, score=0, low=0, high=0)
    assert ticks[-1][0] == ticks[-1][1]


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options("greedy", "none", "none"),
        Options("rank", "none", "none"),
        Options("soft", "auto", "none"),
        Options("soft", "none", "auto"),
    ],
)
def test_whatever_is_fitted_is_fitted_anew(options: Options) -> None:
    assert plain_vote(alone(drawn_pool(1, [1.0, 1.1])), options) is None


def test_decisions_count_only_where_the_metric_sees_them() -> None:
    made = alone(drawn_pool(1, [1.0, 1.1], metric="log_loss"))
    assert plain_vote(made, Options("soft", "none", "auto")) is not None


def test_routes_are_blended_and_a_term_of_some_rows_may_see_none() -> None:
    options = Options("soft", "none", "none")
    assert plain_vote(product_and_joint(1), options) is None
    given = product_and_joint(1, given=True)
    assert plain_vote(replace(given, routes=given.routes[:1]), options) is None
