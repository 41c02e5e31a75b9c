"""Checkpoints: what the files of a fold run are called, and which of them may go.

Where their bytes lie: orchestrator.storage.

A fold run keeps, while it is running or parked, its two newest resume states and the best epochs as of its
last two epochs: the driver may die between a worker's writing an epoch and the journal's noting it, and then
the older ones are those the journal knows. Once its trial is complete only the best epoch's weights and OOF
stay, and also where its trial is pruned when it has begun all its folds: a vote may use it. What a trial that
failed has stays as it was, so that it can be run again, unless its loss was no number. Of another trial that
is out nothing stays. So a study of F unfinished or failed fold runs of P bytes of weights holds at most
F * (2 resume + 2 best).

The validation probabilities of every epoch lie in a folder of their own and stay, whatever becomes of their
trial, unless the study was told to keep those of complete trials alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from orchestrator.core.events import FoldRunKey
from orchestrator.storage.contract import CheckpointStore

PROBABILITIES = "probabilities/"
"""What the names of every epoch's validation probabilities begin with."""

_NAME = re.compile(r"^(?P<run>t\d+-f\d+)/(?P<kind>resume|best)-e(?P<epoch>\d+)\.(?P<suffix>[a-z.]+)$")

_EPOCH_PROBABILITIES = re.compile(rf"^{PROBABILITIES}t\d+-f\d+/e\d+\.parquet$")


def is_ours(name: str) -> bool:
    """Whether it is a name that this module gives."""
    return _NAME.match(name) is not None or _EPOCH_PROBABILITIES.match(name) is not None


# Epochs with four digits: listed names are in the order of epochs.
def resume_name(key: FoldRunKey, epoch: int) -> str:
    return f"{key}/resume-e{epoch:04d}.pt"


def weights_name(key: FoldRunKey, epoch: int) -> str:
    return f"{key}/best-e{epoch:04d}.safetensors"


def oof_name(key: FoldRunKey, epoch: int) -> str:
    return f"{key}/best-e{epoch:04d}.oof.safetensors"


def probabilities_name(key: FoldRunKey, epoch: int) -> str:
    return f"{PROBABILITIES}{key}/e{epoch:04d}.parquet"


def superseded(
    names: Iterable[str], epoch: int, bests: Iterable[int], states: Iterable[int] | None = None
) -> list[str]:
    """Names of one fold run that may go once `epoch` is stored.

    bests: the best epochs as of `epoch` and as of the one before. states: the epochs whose resume states are
    kept beside that of `epoch` itself; None: the epoch before.
    Later epochs are kept too: they are another worker's, which took over because this one seemed to be gone.
    """
    keep_best, known = set(bests), list(names)
    resumes = {epoch, *([epoch - 1] if states is None else states)}
    kept = set(later(known, epoch))
    return [name for name in known if name not in kept and not _is_kept(name, resumes, keep_best)]


def later(names: Iterable[str], epoch: int) -> list[str]:
    """Names of one fold run that are of epochs after `epoch`."""
    matches = ((name, _NAME.match(name)) for name in names)
    return [name for name, match in matches if match is not None and int(match["epoch"]) > epoch]


def _is_kept(name: str, resumes: set[int], bests: set[int]) -> bool:
    match = _NAME.match(name)
    if match is None:
        return True  # not ours to delete
    return int(match["epoch"]) in (resumes if match["kind"] == "resume" else bests)


def by_fold_run(names: Iterable[str]) -> dict[str, list[str]]:
    """Fold run, as text -> the names in a store that are of it."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.removeprefix(PROBABILITIES).partition("/")[0], []).append(name)
    return found


def dropped(names: Iterable[str], best: int | None, probabilities: bool) -> list[str]:
    """Names of one fold run that go when its trial is out; files that are not ours stay.

    best: the epoch whose weights and out-of-fold rows stay, which a vote may use; None where they go too.
    probabilities: whether those of every epoch go.
    """
    bests = set() if best is None else {best}
    return [
        name
        for name in names
        if (probabilities if name.startswith(PROBABILITIES) else not _is_kept(name, set(), bests))
    ]


def delete_fold_run(store: CheckpointStore, key: FoldRunKey) -> None:
    """Everything of a fold run but its epochs' probabilities; files that are not ours stay."""
    store.delete_many(dropped(store.names(f"{key}/"), None, probabilities=False))


def keep_only_best(store: CheckpointStore, bests: Mapping[FoldRunKey, int]) -> None:
    """What stays of a trial that is complete. bests: its fold runs -> the epoch that is kept of each."""
    store.delete_many(
        [
            name
            for key, best in bests.items()
            for name in store.names(f"{key}/")
            if not _is_kept(name, set(), {best})
        ]
    )
