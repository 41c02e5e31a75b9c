"""How many fold runs fit on a cluster, and what each of them gets. Pure."""

from __future__ import annotations

from orchestrator.errors import InputError
from orchestrator.trial import Resources


def share_out(
    cpus: int, gpus: float, gpus_per_fold_run: float | None, cpus_per_fold_run: int | None
) -> tuple[Resources, int]:
    """Resources of one fold run and the number of slots. cpus, gpus: of the whole cluster.

    None: one GPU each where there are GPUs, else none; on GPUs the CPUs are shared evenly among slots,
    without them a fold run takes one. Raises InputError for more than there is.
    """
    share = (1.0 if gpus else 0.0) if gpus_per_fold_run is None else gpus_per_fold_run
    if share > gpus:
        raise InputError(
            f"--gpus-per-fold-run {share:g}: the cluster has {gpus:g} GPUs; lower it, 0 means CPU"
        )
    slots_by_gpu = _fits(gpus, share) if share else cpus
    each = cpus_per_fold_run or (max(1, cpus // slots_by_gpu) if share else 1)
    if each > cpus:
        raise InputError(f"--cpus-per-fold-run {each}: the cluster has {cpus} CPUs; lower it")
    return Resources(each, share), max(1, min(slots_by_gpu, cpus // each))


def _fits(gpus: float, share: float) -> int:
    """A fraction shares one GPU: three thirds of it, though 3 * 0.33 is not 1."""
    return int(gpus) * int(1 / share + 1e-9) if share <= 1 else int(gpus // share)
