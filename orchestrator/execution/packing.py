"""How many fold runs share a GPU, and why. Pure: bytes, cores and rates in, a number and a sentence out.

Memory says how many fit, and so do the cores and the memory of the machine; of those that fit as many are
taken as make the GPU train faster. One alone is the measure: never slower than that. A slice of a GPU (MIG)
has its own memory and counts as a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.failure_causes import gpu_wanted, is_gpu_memory
from orchestrator.core.text import counted
from orchestrator.execution.memory_pressure import SHARED, gb

HOST_MARGIN = 0.1
"""The same of the machine's: the probe is not exact, and seldom wrong in one direction for all at once."""
GAIN = 1.05
"""By which a larger number must train faster: below that, each fold run ends later for nothing."""
STILL_GAINS = 1.15
"""What the last doubling must have gained for another one to be worth a measurement."""
_TOO_SMALL = re.compile("out ?of ?memory", re.IGNORECASE)
MOST = 16
"""Fold runs on one GPU: nothing published gains beyond, and MPS has 48 places for all of a machine's GPUs."""


@dataclass(frozen=True)
class Machine:
    """A machine whose GPUs are alike, as its fold runs find it. Sizes in bytes."""

    gpus: int
    gpu_memory: int  # of one GPU, or of one slice of it
    gpu_others: int = 0  # of it, held by processes that are not ours
    cpus: int = 1
    host_room: int | None = None  # what all our fold runs may hold of its memory; None: not known
    cpus_each: int | None = None  # cores that a fold run is to have, where the user says so


@dataclass(frozen=True)
class Packing:
    """Fold runs that share a GPU."""

    per_gpu: int
    reason: str

    @property
    def gpus_each(self) -> float:
        """GPUs of one fold run."""
        return 1 / self.per_gpu


@dataclass(frozen=True)
class Limit:
    """How many fit on one GPU, and what sets it."""

    fits: int
    what: str


def limit_of(machine: Machine, device_bytes: int, resident_bytes: int) -> Limit:
    """device_bytes, resident_bytes: of the fold run that a share is made for, on the GPU and of the machine's
    memory. Below one where not even one fits."""
    limits = [_by_gpu(machine, device_bytes), _by_cores(machine)]
    if machine.host_room is not None and resident_bytes > 0:
        fits = int(machine.host_room * (1 - HOST_MARGIN)) // resident_bytes // max(machine.gpus, 1)
        limits.append(Limit(max(fits, 0), f"the machine's memory allows {max(fits, 0)}"))
    return min([*limits, Limit(MOST, f"{MOST} are the most that are tried")], key=lambda limit: limit.fits)


def _by_gpu(machine: Machine, device_bytes: int) -> Limit:
    free = machine.gpu_memory * SHARED - machine.gpu_others
    fits = max(int(free // max(device_bytes, 1)), 0)
    others = f", of which others hold {gb(machine.gpu_others)}," if machine.gpu_others else ""
    return Limit(fits, f"{gb(machine.gpu_memory)} each{others} allow {fits} of {gb(device_bytes)}")


def _by_cores(machine: Machine) -> Limit:
    fits = machine.cpus // (machine.cpus_each or 1) // max(machine.gpus, 1)
    return Limit(fits, f"{counted(machine.cpus, 'core')} allow {fits}")


def next_to_measure(limit: Limit, rates: Mapping[int, float]) -> int | None:
    """How many together are worth a measurement next; None where nothing is.

    rates: number together -> what they train a second, in units of one alone, as measured so far.
    """
    tried = max(rates, default=1)
    coming = min(2 * tried, limit.fits, MOST)
    if coming <= tried:
        return None
    if tried > 2 and rates[tried] < STILL_GAINS * _rate(rates, tried // 2):
        return None
    # Two that gain nothing say little yet: of small networks four may, and the probe of them takes seconds.
    return None if tried == 2 and rates[2] < 1 / GAIN else coming


def _rate(rates: Mapping[int, float], number: int) -> float:
    return 1.0 if number == 1 else rates.get(number, 1.0)


def packing_of(limit: Limit, rates: Mapping[int, float]) -> Packing:
    """rates: as above. The smallest number that no other one that was measured beats by more than `GAIN`."""
    if limit.fits < 1:
        return Packing(1, f"{limit.what}: one has it to itself")
    measured = {1: 1.0, **{number: rate for number, rate in rates.items() if 1 < number <= limit.fits}}
    best = max(measured.values())
    chosen = min(number for number, rate in measured.items() if rate * GAIN >= best)
    if measured[chosen] < 1 or len(measured) == 1:
        chosen = 1
    return Packing(chosen, _reason(limit, measured, chosen))


def _reason(limit: Limit, measured: Mapping[int, float], chosen: int) -> str:
    if limit.fits == 1:
        return limit.what
    if len(measured) == 1:
        return f"{limit.what}; none together were measured"
    if chosen > 1:
        return f"{limit.what}, {chosen} together train {measured[chosen]:.1f}x of one"
    number, rate = max(((n, rate) for n, rate in measured.items() if n > 1), key=lambda item: item[1])
    return f"{limit.what}, but {number} together train {rate:.2f}x of one"


def share_of(sizes: Sequence[int]) -> int:
    """Bytes for which a share of a GPU is made: of the sizes of a space's configurations the one that three
    quarters don't exceed. Larger ones take several shares."""
    return sorted(sizes)[(3 * len(sizes) - 1) // 4] if sizes else 0


def shares_needed(device_bytes: int, gpu_memory: int | None, per_gpu: int) -> int:
    """Of `per_gpu` shares of a GPU those that a fold run of so many bytes takes: 1, 2, 4 ... or all.

    One where the size of the GPU is not known.
    """
    share = 0.0 if gpu_memory is None else gpu_memory * SHARED / per_gpu
    number = 1
    while number < per_gpu and 0 < number * share < device_bytes:
        number *= 2
    return min(number, per_gpu)


def shares_after(failures: Iterable[Sequence[str]], first: int, gpu_memory: int | None, per_gpu: int) -> int:
    """Of `per_gpu` shares of a GPU those of a fold run whose trial met a share that was too small.

    failures: of each fold, what was said each time. The first doubles the share, or takes more where torch's
    words ask for more; the second takes the whole GPU, and so does one that is not about memory. first: the
    share without any.
    """
    return max((_grown(texts, first, gpu_memory, per_gpu) for texts in failures), default=first)


def _grown(texts: Sequence[str], number: int, gpu_memory: int | None, per_gpu: int) -> int:
    if len(texts) > 1 or not (_TOO_SMALL.search(texts[0]) or is_gpu_memory(texts[0])):
        return per_gpu
    return min(max(2 * number, shares_needed(gpu_wanted(texts[0]) or 0, gpu_memory, per_gpu)), per_gpu)
