"""How many fold runs share a GPU: asked of one node of each type, kept for all of that type."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import CostCase, CostTable, FoldRunCost, MeasuredCost
from orchestrator.core.trainable import Resources
from orchestrator.execution.memory_pressure import GIB
from orchestrator.execution.on_ray import backend as on_ray
from orchestrator.execution.on_ray import measuring
from orchestrator.execution.on_ray.backend import OnRay
from orchestrator.execution.on_ray.measuring import NOT_MEASURED, Measured, line_of, measured, packed
from orchestrator.execution.on_ray.slots import Node, ResourceRequest, slots_of
from orchestrator.execution.packing import Machine, Packing
from orchestrator.execution.worker_environment import in_environment

MIB = 2**20
A100 = Machine(8, 40 * GIB, 0, 64, 500 * GIB)


def table(*costs: FoldRunCost) -> CostTable:
    """Of configurations that differ in one parameter, `n`: 0, 1, 2, ..."""
    cases = [CostCase(f"family {number}", 1.0) for number in range(len(costs))]
    items = tuple(MeasuredCost(case, cost) for case, cost in zip(cases, costs, strict=True))
    return CostTable(items, ("n",), {f"[{number}]": case for number, case in enumerate(cases)})


def gpu_cost(device: float, resident: float = 2.0, fits: bool = True) -> FoldRunCost:
    """Sizes in GiB."""
    return FoldRunCost(int(resident * GIB), int(device * GIB), 0.1, 500.0, fits)


def rates(known: Mapping[int, float], asked: list[int]) -> Callable[[int, int], float | None]:
    def rate(together: int, at_most: int) -> float | None:
        assert at_most == 4 * GIB, "a larger one takes several shares"
        asked.append(together)
        return known.get(together)

    return rate


@pytest.mark.parametrize(
    ("costs", "known", "asked", "per_gpu", "reason"),
    [
        (
            [4],
            {2: 1.6, 4: 2.3},
            [2, 4, 8],
            4,
            "40.0 GiB each allow 9 of 4.0 GiB, 4 together train 2.3x of one",
        ),
        ([4], {2: 1.7, 4: 2.8, 8: 3.4}, [2, 4, 8], 8, "64 cores allow 8, 8 together train 3.4x of one"),
        ([4], {2: 0.9}, [2], 1, "64 cores allow 8, but 2 together train 0.90x of one"),
        ([4], {}, [2], 1, "64 cores allow 8; none together were measured"),
        ([30], {}, [], 1, "40.0 GiB each allow 1 of 30.0 GiB"),
        ([4, 4, 4, 30], {2: 1.6}, [2, 4], 2, "64 cores allow 8, 2 together train 1.6x of one"),
    ],
)
def test_more_together_are_tried_until_it_gains_no_more(
    costs: list[float], known: dict[int, float], asked: list[int], per_gpu: int, reason: str
) -> None:
    machine = replace(A100, cpus=100) if "9 of" in reason else A100
    called: list[int] = []
    found = packed(table(*map(gpu_cost, costs)), machine, rates(known, called))
    assert found.packing == Packing(per_gpu, reason) and called == asked


def test_one_that_did_not_fit_alone_counts_as_the_whole_gpu() -> None:
    found = packed(table(gpu_cost(38, fits=False)), A100, rates({}, []))
    assert found.packing == Packing(1, "40.0 GiB each allow 0 of 40.0 GiB: one has it to itself")


# ---- on a node --------------------------------------------------------------------------------------


@pytest.fixture
def dataset() -> Dataset:
    labels, folds = np.zeros(2, np.int64), np.zeros(2, np.int16)
    return Dataset("", ("x", "y"), labels, folds, ("red", "blue"), "macro_f1", "max", "f", "")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the probe is asked, and what it answers."""
    said: dict[str, Any] = {"costs": table(gpu_cost(4)), "rates": {2: 1.5}, "cards": [(40 * GIB, GIB, ())]}

    def costs(trainable: str, data: Dataset, values: Any, *rest: Any) -> CostTable | None:
        said["seen"] = (trainable, *rest[:2])
        said["environment"] = os.environ.get("CUDA_MPS_PIPE_DIRECTORY")
        found: CostTable | None = said["costs"]
        return found

    def rate(
        trainable: str, data: Dataset, values: Any, resources: Resources, n: int, *rest: Any, **more: Any
    ) -> Any:
        return said["rates"].get(n)

    monkeypatch.setattr(measuring, "measured_costs", costs)
    monkeypatch.setattr(measuring, "rates_together", rate)
    monkeypatch.setattr(measuring, "gpu_memory", lambda own: said["cards"])
    monkeypatch.setattr(measuring, "resolve_on_node", lambda given: given)
    return said


def task(dataset: Dataset, machine: Machine | None, **environment: str) -> Any:
    return measuring._Task("m:C", dataset, {}, Resources(4, 1.0), 8, machine, environment)


def silent(*given: Any) -> None:
    """Nobody listens."""


def test_a_node_looks_at_its_own_gpu_and_memory(dataset: Dataset, asked: dict[str, Any]) -> None:
    found = measured(task(dataset, Machine(1, 0, cpus=16)), silent, silent)
    assert found.packing is not None and found.packing.per_gpu == 2
    assert asked["seen"] == ("m:C", Resources(4, 1.0), 8)
    asked["cards"] = [(40 * GIB, 35 * GIB, ())]
    others = measured(task(dataset, Machine(1, 0, cpus=16)), silent, silent).packing
    assert others == Packing(
        1, "40.0 GiB each, of which others hold 35.0 GiB, allow 0 of 4.0 GiB: one has it to itself"
    )


def test_where_it_could_not_be_measured_one_has_a_gpu_to_itself(
    dataset: Dataset, asked: dict[str, Any]
) -> None:
    asked["costs"] = None
    assert measured(task(dataset, A100), silent, silent) == Measured(None, Packing(1, NOT_MEASURED))
    asked.update(costs=table(gpu_cost(4)), cards=[])
    packing = measured(task(dataset, A100), silent, silent).packing
    assert packing == Packing(1, "how much memory the GPU has is not known")


def test_on_cpus_nothing_is_shared_and_the_costs_are_kept(dataset: Dataset, asked: dict[str, Any]) -> None:
    found = measured(task(dataset, None), silent, silent)
    assert found == Measured(asked["costs"], None)


# ---- of a search ------------------------------------------------------------------------------------

NODES = [
    Node("a1", "server-1", 64, 8.0, "A100"),
    Node("a2", "server-2", 16, 2.0, "A100"),
    Node("t", "server-3", 8, 1.0, "T4"),
    Node("c", "server-4", 64),
]
ANSWERS = {
    "A100": Measured(table(gpu_cost(4)), Packing(4, "40.0 GiB each allow 9, 4 together train 2.3x of one")),
    "T4": Measured(None, None),
}


class Keepers:
    """Daemons as a test sees them."""

    def __init__(self) -> None:
        self.environments: dict[str, dict[str, str]] = {}
        self.calls: list[tuple[str, list[str]]] = []

    def start(self, nodes: list[Node]) -> None:
        self.calls.append(("start", [node.id for node in nodes]))
        self.environments.update({node.id: {"CUDA_MPS_PIPE_DIRECTORY": node.id} for node in nodes})

    def stop(self, nodes: list[str] | None = None) -> None:
        self.calls.append(("stop", list(self.environments) if nodes is None else nodes))

    def say_where_not(self, nodes: list[Node], say: Callable[[str], None]) -> None:
        self.calls.append(("say", [node.id for node in nodes]))


@pytest.fixture
def measured_nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def measure(slots: Any, setup: Any, shares: bool, environments: Any, *rest: Any) -> dict[Node, Measured]:
        calls.append({"nodes": [node.id for node in slots], "shares": shares, "mps": sorted(environments)})
        return {node: ANSWERS.get(node.gpu_type, Measured(table(gpu_cost(0)))) for node in slots}

    monkeypatch.setattr(on_ray, "measure", measure)
    return calls


def backend_of(monkeypatch: pytest.MonkeyPatch, request: ResourceRequest, *nodes: Node) -> OnRay:
    monkeypatch.setattr(on_ray.cluster, "alive_nodes", lambda: list(nodes))
    made = OnRay(request, shares_disk=True)
    made._keepers = Keepers()  # type: ignore[assignment]
    made._setup = "a setup"  # type: ignore[assignment]
    return made


def test_one_node_of_each_type_measures_and_all_of_its_type_follow(
    monkeypatch: pytest.MonkeyPatch, measured_nodes: list[dict[str, Any]]
) -> None:
    backend = backend_of(monkeypatch, ResourceRequest(), *NODES)
    assert backend.slots == 11
    said: list[str] = []
    backend.measure(silent, said.append)
    [call] = measured_nodes
    assert sorted(call["nodes"]) == ["a1", "t"] and call["shares"] and call["mps"] == ["a1", "a2", "t"]
    assert backend.slots == 32 + 8 + 1
    assert sorted(said) == [
        "GPUs: 1 fold run on each T4: what a fold run needs could not be measured",
        "GPUs: 4 fold runs on each A100: 40.0 GiB each allow 9, 4 together train 2.3x of one",
    ]
    assert backend._keepers.calls[1:] == [("stop", ["t"]), ("say", ["a1", "a2"])]  # type: ignore[attr-defined]
    assert {name: item.per_gpu for name, item in backend.packings.items()} == {"A100": 4, "T4": 1}
    late = Node("late", "late", 32, 4.0, "A100")
    assert slots_of(late, backend._request, on_gpus=True).number == 16, (
        "one that joins later shares as its type"
    )
    unknown = replace(late, gpu_type="H100")
    assert slots_of(unknown, backend._request, on_gpus=True).number == 4


def test_a_number_of_the_users_switches_it_off(
    monkeypatch: pytest.MonkeyPatch, measured_nodes: list[dict[str, Any]]
) -> None:
    backend = backend_of(monkeypatch, ResourceRequest(0.5), *NODES)
    backend.measure(silent, silent)
    assert not measured_nodes and backend.slots == 22 and not backend.packings
    assert backend._keepers.calls[0] == ("start", ["a1", "a2", "t"])  # type: ignore[attr-defined]


def test_a_number_for_one_type_leaves_the_others_to_be_measured(
    monkeypatch: pytest.MonkeyPatch, measured_nodes: list[dict[str, Any]]
) -> None:
    backend = backend_of(monkeypatch, ResourceRequest(by_type={"T4": 0.5}), *NODES)
    backend.measure(silent, silent)
    assert measured_nodes[0]["nodes"] == ["a1"] and backend.slots == 32 + 8 + 2


def test_a_search_on_cpus_measures_where_most_run_at_once(
    monkeypatch: pytest.MonkeyPatch, measured_nodes: list[dict[str, Any]]
) -> None:
    backend = backend_of(monkeypatch, ResourceRequest(gpus=0.0), *NODES)
    backend.measure(silent, silent)
    assert measured_nodes == [{"nodes": ["a1"], "shares": False, "mps": []}] and backend._costs is not None
    assert not backend._keepers.calls  # type: ignore[attr-defined]


def test_a_node_whose_gpus_others_have_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of another search on the same cluster, which may take days."""
    cancelled: list[str] = []
    remote = SimpleNamespace(remote=lambda task: "its stream")
    monkeypatch.setattr(measuring, "_measure", SimpleNamespace(options=lambda **_: remote))
    monkeypatch.setattr(measuring.ray, "wait", lambda streams, timeout: ([], streams))
    monkeypatch.setattr(measuring.ray, "cancel", cancelled.append)
    monkeypatch.setattr(measuring, "BEGIN_S", 0.0)
    node, said = replace(NODES[0], id="a1" * 28), list[str]()
    setup = SimpleNamespace(trainable="m:C", dataset=None, values={})
    slots = {node: slots_of(node, ResourceRequest(), True)}
    assert measuring.measure(slots, setup, True, {}, silent, said.append) == {node: Measured()}  # type: ignore[arg-type]
    assert cancelled == ["its stream"]
    assert said == [f"node server-1: {NOT_MEASURED}: no GPU of it was free for 0 seconds"]


def test_the_line_for_the_user_fits_any_name() -> None:
    assert line_of("", Packing(1, "why")) == "GPUs: 1 fold run on each GPU: why"
    assert line_of("A\x1b", Packing(2, "why")) == "GPUs: 2 fold runs on each A\\x1b: why"


def test_what_the_daemon_needs_is_in_the_environment_only_meanwhile(
    dataset: Dataset, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_MPS_LOG_DIRECTORY", "before")
    given = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path), "CUDA_MPS_LOG_DIRECTORY": "mine"}
    with in_environment(given):
        measured(task(dataset, None), silent, silent)
    assert asked["environment"] == str(tmp_path)
    assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ and os.environ["CUDA_MPS_LOG_DIRECTORY"] == "before"
