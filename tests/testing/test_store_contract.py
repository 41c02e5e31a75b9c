"""check_store names the parts of the contract that a store breaks."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from orchestrator.storage import DirectoryStore
from orchestrator.testing import check_store


def test_the_shipped_store_keeps_its_contract(tmp_path: Path) -> None:
    numbers = itertools.count()
    check_store(lambda: DirectoryStore(tmp_path / str(next(numbers))))


class Careless(DirectoryStore):
    def get(self, name: str) -> bytes:
        try:
            return super().get(name)
        except KeyError:
            return b""

    def names(self, prefix: str = "") -> list[str]:
        return super().names(prefix)[::-1]


def test_each_part_that_is_broken_is_named_once(tmp_path: Path) -> None:
    numbers = itertools.count()
    with pytest.raises(AssertionError) as caught:
        check_store(lambda: Careless(tmp_path / str(next(numbers))))
    broken = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert {"knows_what_it_does_not_hold", "lists_by_prefix_in_order", "deletes_quietly"} <= set(broken)
    assert len(broken) == len(set(broken)) and "takes_many_at_once" not in broken
