"""The stores' public contract, and what only a test may do: send a store as Ray would."""

from __future__ import annotations

import pickle
from collections.abc import Callable

from orchestrator.storage.contract import CheckpointStore
from orchestrator.testing.store_contract import STORE_CONTRACT


def travels(store: CheckpointStore) -> None:
    pickle.loads(pickle.dumps(store)).put("t0003-f1/x.pt", b"x")  # noqa: S301  as Ray would send it
    assert store.get("t0003-f1/x.pt") == b"x"


def says_whether_ray_has_to_carry_it(store: CheckpointStore) -> None:
    assert store.is_local_to_driver is pickle.loads(pickle.dumps(store)).is_local_to_driver  # noqa: S301


CONTRACT: tuple[Callable[[CheckpointStore], None], ...] = (
    *STORE_CONTRACT,
    travels,
    says_whether_ray_has_to_carry_it,
)
