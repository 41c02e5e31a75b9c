"""How many fold runs fit on a cluster, and what each of them gets. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import InputError
from orchestrator.trial import Resources

Server = tuple[int, float]
"""CPUs and GPUs of one server."""


def share_out(
    servers: Sequence[Server], gpus_per_fold_run: float | None, cpus_per_fold_run: int | None
) -> tuple[Resources, int]:
    """Resources of one fold run and the number of slots; a fold run lies on one server.

    None: one GPU each where there are GPUs, else none; on GPUs the CPUs are shared evenly among slots,
    without them a fold run takes one. Raises InputError for more than any server has.
    """
    most_gpus = max((gpus for _, gpus in servers), default=0.0)
    share = (1.0 if most_gpus else 0.0) if gpus_per_fold_run is None else gpus_per_fold_run
    if share > most_gpus:
        raise InputError(
            f"--gpus-per-fold-run {share:g}: no server has more than {most_gpus:g} GPUs; "
            "lower it, 0 means CPU"
        )
    each = cpus_per_fold_run or _even_cpus(servers, share)
    slots = sum(_slots(server, share, each) for server in servers)
    if slots < 1:
        most = max((cpus for cpus, _ in servers), default=0)
        raise InputError(f"--cpus-per-fold-run {each}: no server has more than {most} CPUs; lower it")
    return Resources(each, share), slots


def _even_cpus(servers: Sequence[Server], share: float) -> int:
    if not share:
        return 1
    return max(1, min(cpus // _fits(gpus, share) for cpus, gpus in servers if _fits(gpus, share)))


def _slots(server: Server, share: float, each: int) -> int:
    cpus, gpus = server
    return min(_fits(gpus, share), cpus // each) if share else cpus // each


def _fits(gpus: float, share: float) -> int:
    """A fraction shares one GPU: three thirds of it, though 3 * 0.33 is not 1."""
    return int(gpus) * int(1 / share + 1e-9) if share <= 1 else int(gpus // share)
