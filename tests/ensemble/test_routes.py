"""Which studies are one pool, which are multiplied, and which answer beside the product."""

from __future__ import annotations

from itertools import permutations

import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.data.targets import Joint, categorical, joint
from orchestrator.ensemble.routes import joint_of, resolve_routes
from orchestrator.ensemble_record.chain_rule import Term

MASK, GENDER = categorical("mask", ["worn", "none"]), categorical("gender", ["male", "female"])
AGE = categorical("age", ["young", "old"])
LABEL = joint(MASK, GENDER, AGE)
PARTS = [Term(part, None, f"runs/{part.name}") for part in LABEL.parts]


def named(terms: list[Term], label: Joint | None) -> list[list[list[str]]]:
    _, routes = resolve_routes(terms, label)
    return [[[terms[index].source for index in pool] for pool in route] for route in routes]


def test_studies_of_one_target_are_one_pool_whatever_joint_they_name() -> None:
    terms = [Term(AGE, None, "runs/b"), Term(AGE, None, "elsewhere/a"), Term(AGE, None, "runs/a")]
    for order in permutations(terms):
        assert named(list(order), LABEL) == [[["elsewhere/a", "runs/a", "runs/b"]]]
    assert resolve_routes(terms, None)[0] == AGE


def test_a_product_of_pools_and_the_joint_study_are_two_routes_in_any_order() -> None:
    terms = [
        *PARTS,
        Term(AGE, None, "runs/age2"),
        Term(LABEL, None, "runs/all"),
        Term(LABEL, None, "runs/also"),
    ]
    expected = [
        [["runs/mask"], ["runs/gender"], ["runs/age", "runs/age2"]],
        [["runs/all", "runs/also"]],
    ]
    for order in list(permutations(terms))[::37]:
        assert named(list(order), LABEL) == expected


def test_pools_of_one_condition_each_are_multiplied() -> None:
    given = [
        Term(AGE, (GENDER, name), f"runs/{name}{number}") for name in GENDER.classes for number in (1, 2)
    ]
    routes = named([*given, PARTS[1]], None)
    assert routes == [[["runs/gender"], ["runs/male1", "runs/male2"], ["runs/female1", "runs/female2"]]]


def test_the_joint_study_says_the_joint_target_for_parts_that_name_none() -> None:
    terms = [*PARTS, Term(LABEL, None, "runs/all")]
    assert joint_of(terms, [None] * 4) == LABEL
    assert joint_of(terms, [LABEL, None, LABEL, None]) == LABEL
    with pytest.raises(EnsembleError, match=r"runs/mask and runs/all have different joint targets"):
        joint_of(terms, [joint(MASK, GENDER), None, None, None])
    with pytest.raises(EnsembleError, match="runs/gender says no joint target"):
        joint_of(PARTS, [LABEL, None, LABEL])
    assert joint_of(PARTS, [None] * 3) is None


def test_a_joint_study_beside_other_studies_than_its_parts_is_refused() -> None:
    with pytest.raises(EnsembleError, match="lacks a study of gender, age"):
        resolve_routes([PARTS[0], Term(LABEL, None, "runs/all")], LABEL)
    pair = [Term(AGE, (GENDER, name), f"runs/{name}") for name in GENDER.classes]
    with pytest.raises(
        EnsembleError, match="runs/all is of the joint target 'mask_gender_age', and the others"
    ):
        resolve_routes([PARTS[1], *pair, Term(LABEL, None, "runs/all")], LABEL)
