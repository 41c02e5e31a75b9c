"""1, 2, 4 and 8 fold runs on one device, with and without MPS, over one of them, one graph and the roof."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchmarks.gpu import bare, data
from benchmarks.gpu.members import MemberError, Members, Order
from benchmarks.gpu.mps import own_mps
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Case, Deadline, Setting, deadline_of
from orchestrator.core.dataset import Dataset
from orchestrator.core.text import counted

PLAIN, MPS = "without MPS", "with MPS"
ONE = "one fold run alone"
Rates = dict[str, dict[int, float]]  # of one case: mode -> fold runs together -> images a second

RESNET18_CHECKS = ("8 resnet18 over one", "8 resnet18 over a graph", "8 resnet18 of the roof")


def run(setting: Setting, recorder: Recorder) -> None:
    deadline = deadline_of(setting)
    sets = {case: case_data(setting, case) for case in setting.packed}
    found: dict[Case, Rates] = {case: {PLAIN: {}, MPS: {}} for case in setting.packed}
    held = _in_mode(PLAIN, {}, setting, deadline, sets, found, recorder)
    recorder.fact("held", {case.name: size for case, size in held.items()})
    against = {case: _bare_rates(case, setting, recorder) for case in setting.packed}
    with own_mps(setting.dry) as (environment, why_not):
        if environment is None:
            recorder.note(f"{MPS}: NOT RUN, {why_not}")
        else:
            _in_mode(MPS, environment, setting, deadline, sets, found, recorder)
    for case, rates in found.items():
        _figures(case, rates, against[case], recorder)
    recorder.fact("rates", {case.name: rates for case, rates in found.items()})
    judge(setting.packed, found, against, recorder)


def case_data(setting: Setting, case: Case, longer: int = 1) -> Dataset:
    """Fewer rows at large sizes: an epoch has to end within a window, eight of them together too.

    longer: times so many rows, for one fold run alone.
    """
    from trainables.images.image_store import build_store

    times = max(1, setting.times * 112**2 // max(case.size, 112) ** 2)
    made = data.rarely_validated(data.dataset(setting, times if setting.dry else longer * times))
    build_store(made, case.size)
    return made


def config_of(case: Case, **more: Any) -> dict[str, Any]:
    return {"backbone": case.backbone, "image_size": case.size, "batch_size": case.batch, **more}


def _in_mode(
    mode: str,
    environment: Mapping[str, str],
    setting: Setting,
    deadline: Deadline,
    sets: Mapping[Case, Any],
    found: Mapping[Case, Rates],
    recorder: Recorder,
) -> dict[Case, float]:
    """Fills `found`; bytes of the device that one fold run of each case holds, its CUDA context included."""
    most, before, held = max(setting.together), used(setting.device), dict[Case, float]()
    with Members(most, setting.patience_s, environment) as members:
        for case in setting.packed:
            if not members.usable or not deadline.allows(2 * setting.window_s):
                recorder.cut(f"{case.name} {mode}")
                continue
            with _as_fault(recorder, f"{case.name} {mode}"):
                orders = [_order(setting, case, sets[case], member, most) for member in range(most)]
                fitting = _build_most(members, orders, setting.together, recorder, case)
                held[case] = (used(setting.device) - before) / fitting
                for count in _telling_first([item for item in setting.together if item <= fitting]):
                    if deadline.allows(setting.window_s):
                        found[case][mode][count] = members.train(count, setting.window_s)
                    else:
                        recorder.cut(f"{case.name} {mode}: {count} together")
                members.release()
    return held


def used(device: str) -> float:
    """Bytes of the whole GPU that are in use, as its driver counts them; 0 of a CPU."""
    if device != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info()
    return float(total - free)


def _order(setting: Setting, case: Case, made: Any, member: int, most: int) -> Order:
    fold = member % data.FOLDS
    rows = data.rows_per_epoch(made, fold, case.batch)
    return Order(made, fold, config_of(case), member, setting.resources(1 / most), rows)


def _build_most(
    members: Members, orders: list[Order], counts: tuple[int, ...], recorder: Recorder, case: Case
) -> int:
    """How many of them the device's memory holds. Raises MemberError where it is not even one."""
    for count in sorted(counts, reverse=True):
        try:
            members.build(orders[:count])
        except MemberError as error:
            if "OutOfMemory" not in str(error) or count == min(counts):
                raise
            recorder.note(f"{case.name}: {count} fold runs together do not fit into the device's memory")
            continue
        return count
    raise MemberError("no number of fold runs was asked for")


def _telling_first(counts: list[int]) -> list[int]:
    """One and the most, which the limits speak of, before those between."""
    ordered = sorted(counts)
    return list(dict.fromkeys([ordered[0], ordered[-1], *ordered]))


def _bare_rates(case: Case, setting: Setting, recorder: Recorder) -> dict[str, float]:
    """ "eager", "graph" (on a GPU) and "roof": images a second of the network alone."""
    seconds = setting.window_s / 3
    found = {"eager": bare.rate(bare.eager(case, setting.device), setting.device, seconds)}
    if not setting.dry:
        with _as_fault(recorder, f"{case.name} as a CUDA graph"):
            found["graph"] = bare.rate(bare.graphed(case), setting.device, seconds)
        bare.free(setting.device)
    batches = () if setting.dry else bare.ROOF_BATCHES
    found["roof"], batch = bare.roof(case, setting.device, seconds, batches)
    bare.free(setting.device)
    recorder.note(f"{case.name}: the roof is the network's own rate at batch {batch}")
    return found


@contextlib.contextmanager
def _as_fault(recorder: Recorder, what: str) -> Iterator[None]:
    """The stage goes on; the checks that miss it are NOT RUN, and the stage is BROKEN."""
    try:
        yield
    except (MemberError, RuntimeError) as error:
        recorder.fault(f"{what}: {type(error).__name__}: {error}")


def _figures(case: Case, rates: Rates, against: Mapping[str, float], recorder: Recorder) -> None:
    one = rates[PLAIN].get(1)
    if one is None:
        return
    for mode, counts in rates.items():
        for count, value in sorted(counts.items()):
            recorder.figure(
                case.name, f"{counted(count, 'fold run')} {mode}", value / one, ONE, value, "images/s"
            )
    for name, what in (
        ("eager", "the network alone, eager"),
        ("graph", "the network alone, as a CUDA graph"),
    ):
        if name in against:
            recorder.figure(case.name, what, against[name] / one, ONE, against[name], "images/s")
    recorder.figure(case.name, "the roof", against["roof"] / one, ONE, against["roof"], "images/s")


def as_the_tool_packs(rates: Rates) -> dict[int, float]:
    """Fold runs together -> rate: with MPS where it was measured, as a search uses it where it can."""
    return {
        **rates[PLAIN],
        **rates[MPS],
        **{count: rates[PLAIN][count] for count in (1,) if 1 in rates[PLAIN]},
    }


def judge(
    cases: tuple[Case, ...],
    found: Mapping[Case, Rates],
    against: Mapping[Case, Mapping[str, float]],
    recorder: Recorder,
) -> None:
    """cases: the first is judged as resnet18, the second as resnet50."""
    _judge_small(as_the_tool_packs(found[cases[0]]), against[cases[0]], recorder)
    _judge_mps(found[cases[0]], recorder)
    if len(cases) < 2:
        recorder.not_run("resnet50 together", "a dry run has no large network")
        return
    large = as_the_tool_packs(found[cases[1]])
    if 1 in large and len(large) > 1:
        worst = min((value / large[1], count) for count, value in large.items() if count > 1)
        recorder.check("resnet50 together", worst[0], f"{worst[1]} together")
    else:
        recorder.not_run("resnet50 together", "not measured; see the stage's notes")


def _judge_mps(rates: Rates, recorder: Recorder) -> None:
    both = [count for count in rates[PLAIN] if count > 1 and count in rates[MPS]]
    if not both:
        recorder.not_run("with MPS", "there is no MPS here; see the stage's notes")
        return
    most = max(both)
    recorder.check("with MPS", rates[MPS][most] / rates[PLAIN][most], f"{most} together")


def _judge_small(rates: Mapping[int, float], against: Mapping[str, float], recorder: Recorder) -> None:
    most = max(rates, default=0)
    bases = (rates.get(1), against.get("graph"), against.get("roof"))
    for name, base in zip(RESNET18_CHECKS, bases, strict=True):
        if base is None or most < 2:
            recorder.not_run(name, "one side of the ratio was not measured; see the stage's notes")
        else:
            recorder.check(name, rates[most] / base, f"{most} together")
