"""How many fold runs share a GPU: measured cards in, a number and its sentence out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.memory_pressure import SHARED
from orchestrator.execution.packing import (
    GAIN,
    MOST,
    Limit,
    Machine,
    limit_of,
    next_to_measure,
    packing_of,
    share_of,
    shares_needed,
)
from tests.support.mutations import examples

MIB, GIB = 2**20, 2**30

CARDS = {
    # MiB, as nvidia-smi prints them of these cards; a slice as `nvidia-smi mig -lgip` does, in GiB.
    "T4": 15360 * MIB,
    "V100-SXM2-16GB": 16384 * MIB,
    "L4": 23034 * MIB,
    "RTX 4090": 24564 * MIB,
    "A100-SXM4-40GB": 40960 * MIB,
    "H100 80GB HBM3": 81559 * MIB,
    "H200": 143771 * MIB,
    "A100 slice 1g.5gb": int(4.75 * GIB),
    "A100 slice 2g.10gb": int(9.75 * GIB),
}

# Sizes of fold runs: a network at 112 px, one at 224 px, and one that a card of 16 GB just holds.
SMALL, MIDDLE, LARGE = int(1.7 * GIB), int(3.4 * GIB), int(14.2 * GIB)


@pytest.mark.parametrize(
    ("card", "gpus", "cpus", "each", "fits"),
    [
        ("T4", 1, 8, SMALL, 7),
        ("T4", 1, 8, MIDDLE, 3),
        ("T4", 1, 8, LARGE, 0),
        ("V100-SXM2-16GB", 4, 40, SMALL, 8),
        ("L4", 1, 8, MIDDLE, 5),
        ("RTX 4090", 1, 16, MIDDLE, 6),
        ("RTX 4090", 1, 16, LARGE, 1),
        ("A100-SXM4-40GB", 8, 128, MIDDLE, 10),
        ("A100-SXM4-40GB", 8, 32, MIDDLE, 4),  # the cores are what is short
        ("H100 80GB HBM3", 8, 192, LARGE, 5),
        ("H200", 1, 16, SMALL, MOST),
        ("H200", 1, 16, LARGE, 8),
        ("A100 slice 1g.5gb", 7, 32, SMALL, 2),  # a slice is a GPU with its own memory
        ("A100 slice 1g.5gb", 7, 32, MIDDLE, 1),
        ("A100 slice 2g.10gb", 3, 32, MIDDLE, 2),
        ("A100 slice 1g.5gb", 7, 32, LARGE, 0),
    ],
)
def test_cards_and_how_many_fit(card: str, gpus: int, cpus: int, each: int, fits: int) -> None:
    assert limit_of(Machine(gpus, CARDS[card], cpus=cpus), each, GIB).fits == fits


@pytest.mark.parametrize(
    ("machine", "fits", "words"),
    [
        (Machine(1, 40 * GIB, cpus=32), 9, "40.0 GiB each allow 9 of 4.0 GiB"),
        (Machine(1, 40 * GIB, 30 * GIB, 32), 1, "40.0 GiB each, of which others hold 30.0 GiB, allow 1"),
        (Machine(1, 40 * GIB, 40 * GIB, 32), 0, "of which others hold 40.0 GiB, allow 0"),
        (Machine(4, 40 * GIB, cpus=12), 3, "12 cores allow 3"),
        (Machine(4, 40 * GIB, cpus=12, cpus_each=3), 1, "12 cores allow 1"),
        (Machine(8, 40 * GIB, cpus=128, host_room=64 * GIB), 3, "the machine's memory allows 3"),
        (Machine(8, 80 * GIB, cpus=128, host_room=8 * GIB), 0, "the machine's memory allows 0"),
    ],
)
def test_the_first_thing_to_run_short_is_named(machine: Machine, fits: int, words: str) -> None:
    limit = limit_of(machine, 4 * GIB, 2 * GIB)
    assert limit.fits == fits and words in limit.what


PUBLISHED = {
    # name: together -> times one alone, and what to choose where `fits` is 8. Published are the ends; what
    # lies between them is drawn.
    # Eight small CNNs on one card: 2.0x as plain processes, 3x under MPS.
    "small CNNs, processes": ({2: 1.55, 4: 1.95, 8: 2.0}, 4),
    "small CNNs, MPS": ({2: 1.8, 4: 2.6, 8: 3.0}, 8),
    # Robroek et al., An Analysis of Collocation on GPUs for Deep Learning Training (arXiv 2209.06018): up to
    # four times the throughput of one on an A100 with small networks ...
    "A100, the most": ({2: 1.9, 4: 3.2, 8: 4.0}, 8),
    # ... and those that fill the card gain nothing.
    "full size, no gain": ({2: 1.0}, 1),
    "full size, a little": ({2: 1.04, 4: 1.05}, 1),
    "full size, a loss": ({2: 0.93}, 1),
    # MPS where memory's bandwidth is short: some 30% slower (arXiv 2604.22430).
    "bandwidth is short": ({2: 0.7}, 1),
    "best in the middle": ({2: 1.4, 4: 1.9, 8: 1.5}, 4),
    "equal: the smaller": ({2: 1.5, 4: 1.5}, 2),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rates_and_what_follows_from_them(name: str) -> None:
    rates, chosen = PUBLISHED[name]
    packing = packing_of(Limit(8, "memory allows 8"), rates)
    assert packing.per_gpu == chosen and packing.gpus_each == 1 / chosen
    assert rates.get(chosen, 1.0) >= 0.9 * max(1.0, *rates.values()), (
        "within a tenth of the best that was seen"
    )


@pytest.mark.parametrize(
    ("fits", "rates", "per_gpu", "reason"),
    [
        (9, {2: 1.6, 4: 2.3}, 4, "memory allows 9, 4 together train 2.3x of one"),
        (9, {2: 0.97, 4: 0.95}, 1, "memory allows 9, but 2 together train 0.97x of one"),
        (9, {}, 1, "memory allows 9; none together were measured"),
        (1, {}, 1, "memory allows 1"),
        (0, {}, 1, "memory allows 0: one has it to itself"),
        (3, {2: 1.5, 4: 9.0}, 2, "memory allows 3, 2 together train 1.5x of one"),  # four no longer fit
    ],
)
def test_the_reason_is_a_sentence(fits: int, rates: dict[int, float], per_gpu: int, reason: str) -> None:
    packing = packing_of(Limit(fits, f"memory allows {fits}"), rates)
    assert (packing.per_gpu, packing.reason) == (per_gpu, reason)


@pytest.mark.parametrize(
    ("fits", "rates", "following"),
    [
        (1, {}, None),
        (9, {}, 2),
        (9, {2: 1.5}, 4),
        (3, {2: 1.5}, 3),
        (9, {2: 0.98}, 4),  # two small networks may gain nothing where four do
        (9, {2: 0.8}, None),
        (9, {2: 1.5, 4: 1.6}, None),
        (9, {2: 1.9, 4: 3.4}, 8),
        (20, {2: 1.9, 4: 3.4, 8: 5.0}, 16),
        (40, {2: 1.9, 4: 3.4, 8: 5.0, 16: 8.0}, None),
    ],
)
def test_more_together_are_measured_as_long_as_it_gains(
    fits: int, rates: dict[int, float], following: int | None
) -> None:
    assert next_to_measure(Limit(fits, ""), rates) == following


RATES = st.dictionaries(st.integers(2, 16), st.floats(0.1, 10), max_size=5)


@examples(100)
@given(st.integers(0, 20), RATES)
def test_never_slower_than_one_and_never_more_than_fit(fits: int, rates: dict[int, float]) -> None:
    packing = packing_of(Limit(fits, ""), rates)
    assert 1 <= packing.per_gpu <= max(fits, 1)
    own = rates.get(packing.per_gpu, 1.0) if packing.per_gpu > 1 else 1.0
    assert own >= 1
    fitting = [rate for number, rate in rates.items() if number <= fits]
    assert own * GAIN >= max([1.0, *fitting])


@examples(100)
@given(st.integers(1, 16), st.integers(1, 80 * GIB))
def test_as_many_shares_as_hold_it_or_the_whole_gpu(per_gpu: int, size: int) -> None:
    shares = shares_needed(size, 40 * GIB, per_gpu)
    usable = 40 * GIB * SHARED
    assert 1 <= shares <= per_gpu
    assert shares == per_gpu or shares * usable / per_gpu >= size


def test_a_share_holds_three_quarters_of_the_space() -> None:
    assert share_of([]) == 0
    assert share_of([5]) == 5
    assert share_of([1, 2, 3, 9]) == 3
    assert share_of([1, 9]) == 9
    assert share_of([*range(1, 101)]) == 75
