"""What fold runs of a space cost on this machine, measured before a search: memory, speed, speed together.

Each case is a process of its own (probe_process.py). Nothing here raises for what a probe does: it says what
went wrong and goes on without, for then the first fold runs show it. Knows no Ray.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.core.callbacks import Announce, Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import CostCase, CostTable, FoldRunCost, MeasuredCost
from orchestrator.core.text import counted, on_one_line
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.execution.probe_cache import CostCache, digest_of
from orchestrator.execution.probe_cases import SpaceCases, chosen_cases, space_cases
from orchestrator.execution.probe_run import LIMIT_S, ProbeRun, held_text

log = logging.getLogger(__name__)

SECONDS = 12.0
"""That a probe is asked to take at most; most take less. It is ended after `probe_run.LIMIT_S`."""
SAFETY = 1.5
"""An estimate that would fit so many times over needs no measurement."""
METHODS = ("cost_parameters", "cost_family", "cost_size", "probe")

Values = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class _Prober:
    """Measures cases of one trainable on one data set with what a fold run is granted."""

    trainable: str
    dataset: Dataset
    resources: Resources
    base_bytes: int
    room: int | None
    say: Announce

    def request(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "trainable": self.trainable,
            "config": dict(config),
            "classes": len(self.dataset.classes),
            "rows": len(self.dataset.paths),
            "resources": asdict(self.resources),
            "seconds": SECONDS,
            "base_bytes": self.base_bytes,
        }

    @property
    def cache(self) -> CostCache:
        return CostCache(Path(self.dataset.cache_dir) / "costs")

    def digest(self, spaces: SpaceCases, case: CostCase, together: int = 1) -> str:
        config = spaces.configs[case]
        own = {name: config[name] for name in spaces.names}  # no other parameter matters, as it says
        return digest_of({**self.request(own), "together": together})

    def known(self, spaces: SpaceCases, case: CostCase) -> FoldRunCost | None:
        """Measured before, now or in another study."""
        return self.cache.get(self.digest(spaces, case))

    def cost(self, spaces: SpaceCases, case: CostCase) -> FoldRunCost | None:
        if (known := self.known(spaces, case)) is not None:
            return known
        with ProbeRun(self.request(spaces.configs[case]), self.room) as run:
            ended = run.warm()
            found = run.cost() if ended is None else ended
        if isinstance(found, str):
            self.say(f"what a fold run costs was not measured for {spaces.text(case)}: {found}")
            return None
        if found.fits:  # another time there may be more room
            self.cache.put(self.digest(spaces, case), found)
        return found

    def rate_together(self, spaces: SpaceCases, case: CostCase, together: int) -> float | None:
        """Training images a second of all of them."""
        digest = self.digest(spaces, case, together)
        if (known := self.cache.get(digest)) is not None:
            return known.images_per_second
        shared = replace(self, resources=replace(self.resources, gpus=self.resources.gpus / together))
        found = _at_once([shared.request(spaces.configs[case])] * together, self.room)
        if isinstance(found, str):
            self.say(f"{together} fold runs together were not measured for {spaces.text(case)}: {found}")
            return None
        rate = sum(cost.images_per_second for cost in found)
        largest = max(found, key=lambda cost: cost.device_bytes)
        self.cache.put(digest, replace(largest, images_per_second=rate))
        return rate


def _at_once(requests: Sequence[Mapping[str, Any]], room: int | None) -> list[FoldRunCost] | str:
    """What each measures while all do; a line where one does not."""
    with contextlib.ExitStack() as stack:
        each = None if room is None else room // len(requests)
        runs = [stack.enter_context(ProbeRun(request, each)) for request in requests]
        for ended in [run.warm() for run in runs]:
            if ended is not None:
                return ended if isinstance(ended, str) else held_text(ended)
        with ThreadPoolExecutor(len(runs)) as pool:
            costs = list(pool.map(lambda run: run.cost(LIMIT_S), runs))
    found = [cost for cost in costs if isinstance(cost, FoldRunCost) and cost.fits]
    if len(found) == len(runs):
        return found
    faults = [cost if isinstance(cost, str) else held_text(cost) for cost in costs if cost not in found]
    return faults[0]


def measured_costs(
    trainable: str,
    dataset: Dataset,
    values: Values,
    resources: Resources,
    slots: int,
    room: int | None,
    progress: Progress | None = None,
    base_bytes: int = 0,
    say: Announce = log.warning,
) -> CostTable | None:
    """What fold runs of every configuration of a space cost here; None where nobody can say.

    values: parameter -> the values it can take; slots: fold runs that may run here at once; room: bytes for
    all of them together, None if that is not known; base_bytes: what a worker's process holds beside the
    trainable, such as Ray, 0 for what the measuring process holds. say: takes a line that is worth telling.

    On a CPU, families of which `slots` fit by an estimate with SAFETY to spare are not measured: the table
    has their estimates, and those of what could not be measured.
    """
    told = _told(trainable, values, say)
    if told is None:
        return None
    spaces, estimate = told
    prober = _Prober(trainable, dataset, resources, base_bytes, room, say)
    estimates = _estimates(spaces, lambda config: base_bytes + estimate(config, dataset, resources))
    measured = _sure(estimates, slots, room) if resources.gpus == 0 else {}
    sure = {case.family for case in measured}
    uncertain = [case for case in spaces.configs if case.family not in sure]
    chosen, left_out = chosen_cases(uncertain, lambda case: estimates.get(case, case.size))
    if left_out:
        say(f"{counted(len(left_out), 'kind')} of fold runs count as the largest one that was measured")
    for done, case in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        cost = prober.cost(spaces, case)
        if cost is None and resources.gpus == 0 and case in estimates:
            cost = FoldRunCost(estimates[case], 0, 0.0, 0.0)  # rather too much than nothing
        if cost is not None:
            measured[case] = cost
    if progress is not None and chosen:
        progress(len(chosen), len(chosen))
    items = tuple(MeasuredCost(case, cost) for case, cost in measured.items())
    return CostTable(items, spaces.names, spaces.cases, spaces.defaults) if items else None


def rates_together(
    trainable: str,
    dataset: Dataset,
    values: Values,
    resources: Resources,
    together: int,
    room: int | None = None,
    base_bytes: int = 0,
    say: Announce = log.warning,
    at_most: int | None = None,
) -> float | None:
    """Training images a second of so many fold runs at once on one device, as a multiple of one alone; None
    where they do not fit or fail. Of the largest kind that was measured: smaller ones gain no less from
    company.

    resources: what one alone was measured with; of its GPU each gets an equal part. at_most: bytes of the GPU
    that a fold run may hold to be taken for it; None: any. room, base_bytes and say: as above.
    """
    told = _told(trainable, values, say)
    if told is None:
        return None
    spaces, estimate = told
    prober = _Prober(trainable, dataset, resources, base_bytes, room, say)
    estimates = _estimates(spaces, lambda config: estimate(config, dataset, resources))
    chosen, _ = chosen_cases(spaces.configs, lambda case: estimates.get(case, case.size))
    found = _largest(prober, spaces, chosen, at_most)
    if found is None:
        return None
    case, alone = found
    rate = prober.rate_together(spaces, case, together)
    return None if rate is None else rate / alone.images_per_second


def _largest(
    prober: _Prober, spaces: SpaceCases, chosen: Sequence[CostCase], at_most: int | None
) -> tuple[CostCase, FoldRunCost] | None:
    """Of those that were measured already, else of the first, which is measured now."""
    known = [(case, cost) for case in chosen if (cost := prober.known(spaces, case)) is not None]
    if not known and (cost := prober.cost(spaces, chosen[0])) is not None:
        known = [(chosen[0], cost)]
    timed = [
        pair
        for pair in known
        if pair[1].fits
        and pair[1].images_per_second > 0
        and (at_most is None or pair[1].device_bytes <= at_most)
    ]
    return max(timed, key=lambda pair: (pair[1].device_bytes, pair[1].resident_bytes), default=None)


# ---- what the trainable says ----------------------------------------------------------------------

Estimate = Callable[[Mapping[str, Any], Dataset, Resources], int]


def _told(trainable: str, values: Values, say: Announce) -> tuple[SpaceCases, Estimate] | None:
    """None where it says nothing of costs, or fails at it."""
    try:
        found: Any = load_trainable(trainable)
        if not all(callable(getattr(found, name, None)) for name in METHODS):
            return None
        spaces = space_cases(found, values)
    except Exception as error:  # the trainable's own code
        reason = on_one_line(f"{type(error).__name__}: {error}")
        say(f"{trainable} does not say what its fold runs cost: {reason}")
        return None

    def estimate(config: Mapping[str, Any], dataset: Dataset, resources: Resources) -> int:
        return int(found.cost_estimate(config, len(dataset.classes), resources))

    return spaces, estimate


def _estimates(spaces: SpaceCases, estimate: Callable[[Mapping[str, Any]], int]) -> dict[CostCase, int]:
    """Bytes of the largest case of each family; without those that have no estimate."""
    found = {}
    for case in spaces.largest():
        try:
            found[case] = estimate(spaces.configs[case])
        except Exception as error:  # the trainable's own code; the probe will show
            log.info("no estimate for %s: %s: %s", spaces.text(case), type(error).__name__, error)
    return found


def _sure(estimates: Mapping[CostCase, int], slots: int, room: int | None) -> dict[CostCase, FoldRunCost]:
    """Those of which so many fit for certain; all of them where nobody knows the room."""
    return {
        case: FoldRunCost(size, 0, 0.0, 0.0)
        for case, size in estimates.items()
        if room is None or slots * SAFETY * size <= room
    }
