"""How many fold runs the search's own probe puts on this device, beside the best of all measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from benchmarks.gpu.packing import as_the_tool_packs, case_data, config_of
from benchmarks.gpu.records import Recorder, read_records
from benchmarks.gpu.setting import Case, Deadline, Setting, deadline_of
from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.execution import probe_run
from orchestrator.execution.packing import Limit, Machine, limit_of, next_to_measure, packing_of
from orchestrator.execution.probing import measured_costs, rates_together

TRAINABLE = "trainables.image_classifier:ImageClassifier"


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    measured = earlier_rates(setting)
    worst: tuple[float, str] | None = None
    apart: dict[str, float] = {}
    for case in setting.packed:
        if not deadline.allows(setting.window_s):
            recorder.cut(case.name)
            continue
        cost, chosen = _chosen(case, setting, deadline, recorder)
        held = measured.get(case.name, {}).get("held")
        if cost is not None and held:
            ratio, against = cost.device_bytes / held, "what a fold run holds"
            recorder.figure(case.name, "memory by the probe", ratio, against, held / 2**20, "MiB")
            apart[case.name] = 100.0 * abs(ratio - 1.0)
        rates = measured.get(case.name, {}).get("rates", {})
        if chosen is not None and (share := share_of_best(rates, chosen)) is not None:
            worst = min(worst or (share, ""), (share, f"{case.name}: {chosen} together"))
    if apart:
        recorder.check("probed memory", max(apart.values()), max(apart, key=lambda name: apart[name]))
    else:
        recorder.not_run("probed memory", "a CPU has no memory of a card to compare")
    if worst is None:
        recorder.not_run("chosen share", "nothing to compare: see the notes of this stage and of packing")
    else:
        recorder.check("chosen share", worst[0], worst[1])


def earlier_rates(setting: Setting) -> dict[str, dict[str, Any]]:
    """Of the stage packing, by case: "rates" (fold runs together -> images a second) and "held" (bytes)."""
    facts = {
        row["name"]: row["value"]
        for row in read_records(setting.folder / "packing.jsonl")
        if row["kind"] == "fact"
    }
    found = {}
    for name, modes in facts.get("rates", {}).items():
        rates = {mode: {int(count): rate for count, rate in of.items()} for mode, of in modes.items()}
        found[name] = {"rates": as_the_tool_packs(rates), "held": facts.get("held", {}).get(name)}
    return found


def share_of_best(rates: Mapping[int, float], chosen: int) -> float | None:
    """The rate of so many together over the best; a number that was not measured is the next smaller."""
    measured = [count for count in rates if count <= chosen]
    return rates[max(measured)] / max(rates.values()) if measured else None


def _chosen(
    case: Case, setting: Setting, deadline: Deadline, recorder: Recorder
) -> tuple[FoldRunCost | None, int | None]:
    made, values = case_data(setting, case), {name: [value] for name, value in config_of(case).items()}
    resources = setting.resources(1.0, 1)
    # The machine of a dry run does other things too, for which a search would not wait.
    patience_s = setting.patience_s if setting.dry else probe_run.LIMIT_S
    with patch.object(probe_run, "LIMIT_S", patience_s):
        table = measured_costs(TRAINABLE, made, values, resources, 1, None, say=recorder.note)
    if table is None or not table.costs:
        recorder.fault(f"{case.name}: the probe measured nothing")
        return None, None
    cost = table.costs[0]
    limit = limit_of(_machine(setting), cost.device_bytes, cost.resident_bytes)
    rates = _rates(case, made, setting, deadline, limit, recorder)
    if rates is None:
        return cost, None
    packing = packing_of(limit, rates)
    recorder.note(f"{case.name}: the probe puts {packing.per_gpu} on the device: {packing.reason}")
    return cost, packing.per_gpu


def _rates(
    case: Case, made: Dataset, setting: Setting, deadline: Deadline, limit: Limit, recorder: Recorder
) -> dict[int, float] | None:
    """As a search measures them: of 2, 4, ... together while that gains. None where time ran out."""
    values = {name: [value] for name, value in config_of(case).items()}
    rates: dict[int, float] = {}
    while (count := next_to_measure(limit, rates)) is not None and count <= max(setting.together):
        if setting.dry:
            recorder.note(f"{case.name}: {count} together are not probed in a dry run")
            break
        if not deadline.allows(0.0):
            recorder.cut(f"{case.name}: {count} together")
            return None
        rate = rates_together(TRAINABLE, made, values, setting.resources(1.0, 1), count, say=recorder.note)
        if rate is None:
            break
        rates[count] = rate
    return rates


def _machine(setting: Setting) -> Machine:
    if setting.dry:
        return Machine(1, 2**34, cpus=2)
    import torch

    free, total = torch.cuda.mem_get_info()
    own = torch.cuda.memory_reserved()
    return Machine(1, total, max(total - free - own, 0), cpus=setting.cpus)
