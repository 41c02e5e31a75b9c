"""Votes, blend, temperature and decisions are one method: nothing of it knows the rows it is scored on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.data.targets import categorical, joint
from orchestrator.ensemble.composing import Options, Pools, RoutePools, TermPool, compose, method_of
from orchestrator.ensemble_record.chain_rule import Term
from orchestrator.evaluation.calibration import calibrate
from orchestrator.evaluation.cross_fitted import cross_fitted_answers
from orchestrator.evaluation.pool import JudgedRows, Pool

TINT, SHADE = categorical("tint", ["red", "blue"]), categorical("shade", ["dark", "mid", "light"])
BOTH = joint(TINT, SHADE)
GROUPS = 40


def drawn(labels: np.ndarray, classes: int, skills: list[float], rng: np.random.Generator) -> np.ndarray:
    """(m, n, classes): the larger a skill, the surer of the true class."""
    logits = rng.normal(size=(len(skills), len(labels), classes))
    for number, skill in enumerate(skills):
        logits[number, np.arange(len(labels)), labels] += skill
    powers = np.exp(logits)
    return (powers / powers.sum(axis=2, keepdims=True)).astype(np.float32)


def pools(seed: int, joint_skill: float = 1.0, given: bool = False) -> Pools:
    """Two tint trials times two shade trials (given each tint, or not) beside two joint ones."""
    rng = np.random.default_rng(seed)
    tint, shade = rng.integers(0, 2, GROUPS * 3), rng.integers(0, 3, GROUPS * 3)
    codes = np.repeat(np.arange(GROUPS), 3)
    rows = JudgedRows(
        labels=tint * 3 + shade,
        folds=(codes % 4).astype(np.int16),
        codes=codes,
        metric="macro_f1",
        mode="max",
    )

    def term(one: Term, labels: np.ndarray, mask: np.ndarray | None, skill: float) -> TermPool:
        members = drawn(labels, len(one.target.classes), [skill, 0.6 * skill], rng)
        names = ("trial 0", "trial 1")
        pool = Pool(**{**vars(rows), "labels": labels, "mask": mask}, members=members, names=names)
        return TermPool(one, pool, 2)

    shades = [
        term(Term(SHADE, (TINT, name)), shade, tint == number, 1.2)
        for number, name in enumerate(TINT.classes)
    ]
    product = (
        term(Term(TINT), tint, None, 1.2),
        *(shades if given else [term(Term(SHADE), shade, None, 1.2)]),
    )
    whole = (term(Term(BOTH), rows.labels, None, joint_skill),)
    return Pools(BOTH, rows, (RoutePools("product", product), RoutePools("joint", whole)))


def with_labels(made: Pools, labels: np.ndarray) -> Pools:
    """All that an ensemble is fitted to, with other true labels."""
    own = {"tint": labels // 3, "shade": labels % 3, "tint_shade": labels}

    def changed(item: TermPool) -> TermPool:
        return replace(item, pool=replace(item.pool, labels=own[item.term.target.name]))

    routes = tuple(replace(route, terms=tuple(map(changed, route.terms))) for route in made.routes)
    return Pools(made.target, replace(made.rows, labels=labels), routes)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("vote", ["auto", "greedy", "rank"])
def test_labels_of_rows_without_weight_change_no_answer(vote: str, given: bool) -> None:
    """Whatever is chosen or fitted would show here if it looked at a row that it is scored on."""
    made, rng = pools(1, given=given), np.random.default_rng(2)
    weights = rng.multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS)).astype(np.float32)[made.rows.codes]
    weights[made.rows.folds == 0] = 0
    out = weights == 0
    other = made.rows.labels.copy()
    other[out] = rng.integers(0, 6, out.sum())
    if given:  # which tint a row has says also which rows a shade is asked of
        other[out] = other[out] % 3 + made.rows.labels[out] // 3 * 3
    options = Options(vote)
    expected = method_of(made, options)(weights)
    found = method_of(with_labels(made, other), options)(weights)
    assert found.tobytes() == expected.tobytes()
    rows = np.flatnonzero(~out)[:40]
    other[rows] = (other[rows] + 1) % 3 + made.rows.labels[rows] // 3 * 3
    assert method_of(with_labels(made, other), options)(weights).tobytes() != expected.tobytes()


def test_what_each_fold_is_gated_by_has_not_seen_it() -> None:
    """Answers without a fold are the same whatever that fold's labels are."""
    made = pools(3)
    other = made.rows.labels.copy()
    own = made.rows.folds == 2
    other[own] = (other[own] + 1) % 6
    one, two = (compose(item, Options("greedy", "none")) for item in (made, with_labels(made, other)))
    for route, changed in zip(one.routes, two.routes, strict=True):
        assert route.without[2].tobytes() == changed.without[2].tobytes()
        assert route.final.tobytes() != changed.final.tobytes()


def test_the_product_is_taken_where_the_joint_model_knows_nothing_and_a_blend_where_both_know_something() -> (
    None
):
    alone = compose(pools(4, joint_skill=0.0), Options(decide="none"))
    assert alone.blend.weights == (1.0, 0.0) and alone.blend.name == "product"
    assert alone.blend.answers.final.tobytes() == alone.routes[0].final.tobytes()
    both = compose(pools(4, joint_skill=2.0), Options(decide="none"))
    assert 0 < both.blend.weights[0] < 1 and sum(both.blend.weights) == pytest.approx(1)
    assert len(both.blend.candidates) == 3
    gates = [item.gate for item in both.blend.candidates]
    assert gates[1].gain > gates[1].se > 0


def test_noise_is_neither_blended_nor_decided_upon() -> None:
    """Of pools that know nothing a single trial of each is left, whatever their in-sample scores."""
    plain = 0
    for seed in range(5):
        made = pools(seed)
        rng = np.random.default_rng(100 + seed)
        shuffled = with_labels(made, rng.permutation(made.rows.labels))
        found = compose(shuffled, Options())
        gains = [np.count_nonzero(term.vote.weights) for route in found.terms for term in route]
        plain += max(gains) == 1 and max(found.blend.weights) == 1
    assert plain >= 4


def test_a_resample_without_a_row_of_a_condition_has_an_answer() -> None:
    made = pools(5, given=True)
    weights = (made.rows.labels // 3 == 0).astype(np.float32)  # no blue row
    answers = method_of(made, Options())(weights)
    assert np.isfinite(answers).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_rows_of_one_fold_alone_choose_the_simplest() -> None:
    """Nothing can be left out there, so nothing richer can be shown to be better."""
    made = pools(6)
    found = compose(made, Options(), (made.rows.folds == 1).astype(np.float32))
    assert max(found.blend.weights) == 1 and found.calibration is not None
    assert found.calibration.temperature.value == 1
    assert found.decisions is not None and found.decisions.decisions is None
    assert not any("rows not fitted to" in item.gate.reason for item in found.blend.candidates)


def test_rows_without_an_answer_of_other_folds_gate_nothing() -> None:
    """A condition that holds in one fold alone: of that fold's rows there is only what was fitted to them."""
    made = pools(8, given=True)
    blue, only = made.rows.labels // 3 == 1, made.rows.folds == 1
    labels = np.where(blue & ~only, made.rows.labels - 3, made.rows.labels)
    tint, terms = labels // 3, made.routes[0].terms
    own = [
        replace(item, pool=replace(item.pool, labels=names, mask=mask))
        for item, names, mask in zip(
            terms, [tint, labels % 3, labels % 3], [None, tint == 0, tint == 1], strict=True
        )
    ]
    alone = Pools(BOTH, replace(made.rows, labels=labels), (RoutePools("product", tuple(own)),))
    found = compose(alone, Options())
    assert sorted(found.routes[0].without) == [0, 2, 3]
    assert found.calibration is not None and found.decisions is not None
    swapped = labels.copy()
    swapped[only] = labels[only][::-1]
    answers, rows = found.routes[0], alone.rows
    one, two = (calibrate(replace(rows, labels=item), answers) for item in (labels, swapped))
    assert one.before == two.before and one.gate != two.gate  # it is fitted to them and judged by the others


def test_a_class_that_a_fold_lacks_and_constant_predictions_have_an_answer() -> None:
    made = pools(7)
    lacking = made.rows.labels.copy()
    lacking[(made.rows.folds == 0) & (lacking == 5)] = 4
    answers = cross_fitted_answers(method_of(with_labels(made, lacking), Options()), made.rows.folds)
    assert np.isfinite(answers).all()
    constant = np.full_like(made.routes[1].terms[0].pool.members, 1 / 6)
    term = made.routes[1].terms[0]
    flat = replace(
        made, routes=(RoutePools("joint", (replace(term, pool=replace(term.pool, members=constant)),)),)
    )
    found = compose(flat, Options())
    assert np.allclose(found.answers.final, 1 / 6) and np.count_nonzero(found.terms[0][0].vote.weights) == 1
