"""What was measured says what other configurations cost, never less than a smaller one that was measured."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.fold_run_cost import (
    CostCase,
    CostTable,
    FoldRunCost,
    MeasuredCost,
    cost_at,
    family_text,
    key_of,
)
from tests.support.mutations import examples

BYTES = st.integers(0, 2**40)
COSTS = st.builds(FoldRunCost, BYTES, BYTES, st.floats(0, 100), st.floats(0, 1e6), st.booleans())
SIZES = st.floats(1, 1e9)
KNOWN = st.dictionaries(SIZES, COSTS, min_size=1, max_size=6).map(lambda known: sorted(known.items()))


def cost(gigabytes: float, device: float = 0, step_s: float = 1.0, rate: float = 64.0) -> FoldRunCost:
    return FoldRunCost(round(gigabytes * 2**30), round(device * 2**30), step_s, rate)


def table() -> CostTable:
    """Two backbones at batches of 16 and 64; the larger one was measured at both sizes, the other at one."""
    cases = {
        key_of(values): CostCase(family_text({"backbone": values[0]}), values[1])
        for values in product(("big", "small", "unmeasured"), (16, 64))
    }
    case = {json.loads(key)[0] + str(json.loads(key)[1]): found for key, found in cases.items()}
    measured = (
        MeasuredCost(case["big16"], cost(2)),
        MeasuredCost(case["big64"], cost(5)),
        MeasuredCost(case["small64"], cost(1)),
    )
    return CostTable(measured, ("backbone", "batch_size"), cases, {"backbone": "big", "batch_size": 64})


def resident(config: dict[str, object]) -> float:
    found = table().of(config)
    assert found is not None
    return found.resident_bytes / 2**30


def test_a_measured_configuration_costs_what_was_measured() -> None:
    assert resident({"backbone": "big", "batch_size": 16, "lr": 0.1}) == 2


def test_a_parameter_that_a_configuration_does_not_name_has_its_default() -> None:
    assert resident({}) == 5


def test_a_value_between_those_listed_costs_as_the_next_one_above() -> None:
    assert resident({"backbone": "big", "batch_size": 20}) == 5
    assert resident({"backbone": "big", "batch_size": 16.0}) == 2


def test_a_family_that_was_not_measured_counts_as_the_dearest_that_was() -> None:
    assert resident({"backbone": "unmeasured", "batch_size": 64}) == 5
    assert resident({"backbone": "who?", "batch_size": 64}) == 5


def test_nothing_measured_says_nothing() -> None:
    assert CostTable((), ("lr",), {}).of({"lr": 1}) is None


def test_between_two_sizes_the_cost_lies_on_the_line_and_beyond_them_it_goes_on() -> None:
    known = [(10.0, cost(1, 2, 0.1)), (20.0, cost(3, 4, 0.3))]
    assert cost_at(known, 15.0) == FoldRunCost(2 * 2**30, 3 * 2**30, pytest.approx(0.2), 64.0)
    assert cost_at(known, 30.0).resident_bytes == 5 * 2**30
    assert cost_at(known, 5.0) == known[0][1]


def test_from_one_size_twice_as_large_is_twice_as_much() -> None:
    assert cost_at([(10.0, cost(1))], 20.0).resident_bytes == 2 * 2**30


def test_larger_than_what_did_not_fit_does_not_fit() -> None:
    full = FoldRunCost(2**30, 0, 0.0, 0.0, fits=False)
    assert not cost_at([(10.0, full)], 11.0).fits
    assert not cost_at([(10.0, full), (20.0, cost(2))], 20.0).fits
    assert cost_at([(10.0, cost(1)), (20.0, full)], 10.0).fits


@examples(100)
@given(KNOWN, SIZES)
def test_never_below_a_smaller_one_that_was_measured(
    known: list[tuple[float, FoldRunCost]], size: float
) -> None:
    found = cost_at(known, size)
    for measured, smaller in known:
        if measured <= size:
            assert found.resident_bytes >= smaller.resident_bytes
            assert found.device_bytes >= smaller.device_bytes
            assert found.step_s >= smaller.step_s


@examples(100)
@given(KNOWN, SIZES, SIZES)
def test_where_measured_costs_rise_with_size_so_do_all_others(
    known: list[tuple[float, FoldRunCost]], one: float, other: float
) -> None:
    rising = sorted(pair[1].resident_bytes for pair in known)
    line = [(size, FoldRunCost(most, most, 0.0, 0.0)) for (size, _), most in zip(known, rising, strict=True)]
    low, high = sorted((one, other))
    assert cost_at(line, low).resident_bytes <= cost_at(line, high).resident_bytes


@examples(100)
@given(st.lists(st.tuples(st.sampled_from("ab"), SIZES, COSTS), max_size=5))
def test_a_table_survives_json(measured: list[tuple[str, float, FoldRunCost]]) -> None:
    items = tuple(MeasuredCost(CostCase(family, size), item) for family, size, item in measured)
    cases = {key_of([1, "x", None, True]): CostCase("a", 1.0)}
    before = CostTable(items, ("p", "q", "r", "s"), cases, {"p": 1})
    assert CostTable.from_json(json.loads(json.dumps(before.to_json()))) == before


@pytest.mark.parametrize("damage", [{"resident_bytes": -1}, {"step_s": float("nan")}, {"step_s": "x"}])
def test_a_damaged_record_is_refused(damage: dict[str, object]) -> None:
    record = table().to_json()
    record["measured"][0] |= damage
    with pytest.raises(ValueError):
        CostTable.from_json(record)
