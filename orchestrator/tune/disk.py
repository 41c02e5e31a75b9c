"""Says what a search will take of the disks and what is free on them, before anything runs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.budget import least_fold_epochs
from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import CheckpointBytes, DiskNeeds
from orchestrator.core.errors import StorageError
from orchestrator.core.events import FoldRunKey, Reopened, State
from orchestrator.core.text import bytes_text
from orchestrator.execution.disk_guard import DiskGuard, EpochBytes, bytes_of
from orchestrator.machine.free_space import FreeBytes, file_system, free_bytes
from orchestrator.race.contract import Race
from orchestrator.race.most_held import most_held
from orchestrator.space import SearchSpace
from orchestrator.storage.checkpoint_files import by_fold_run
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.study import Study
from orchestrator.tune.budgeting import bounds_of
from orchestrator.tune.disk_estimate import Need, Places, Size, needs_of
from orchestrator.tune.plan import race_config
from orchestrator.tune.request import PreparedStudy, Request

SHOWN = 3  # parts of a disk's need that are named


@dataclass(frozen=True)
class Disk:
    """What is needed on one file system, and what is free there."""

    needs: Sequence[Need]
    free: int

    @property
    def place(self) -> Path:
        """The highest of those where something is needed."""
        return min((need.place for need in self.needs), key=lambda place: len(place.parts))

    @property
    def least(self) -> int:
        return sum(need.least for need in self.needs)

    @property
    def most(self) -> int:
        return sum(need.most for need in self.needs)


def size_of_search(space: SearchSpace, slots: int, keep_oof: str, dataset: Dataset) -> Size:
    rows = max(len(dataset.validation_rows(fold)) for fold in range(space.folds))
    finalists = min(space.finalists, space.trials)
    columns = len(dataset.classes)
    return Size(finalists, space.folds, space.max_t, slots, rows, columns, keep_oof == "all")


def places_of(folder: Path, store: CheckpointStore, dataset: Dataset, request: Request) -> Places:
    root = store.folder
    own_ray = not request.inline and request.address is None
    return Places(
        study=folder,
        checkpoints=root,
        images=Path(dataset.cache_dir),
        scratch=Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) if own_ray else None,
        links=root is not None and _are_on_one_disk(root, folder),
    )


def _are_on_one_disk(first: Path, second: Path) -> bool:
    try:
        return file_system(first) == file_system(second)
    except OSError:  # it says nothing of itself: an ensemble may have to copy
        return False


def disks_of(needs: Sequence[Need], free: FreeBytes = free_bytes) -> list[Disk]:
    """The file systems, the fullest need first. Raises OSError."""
    by_system: dict[int, list[Need]] = {}
    for need in sorted(needs, key=lambda need: -need.most):
        by_system.setdefault(file_system(need.place), []).append(need)
    return [Disk(found, free(found[0].place)) for found in by_system.values()]


def check_disks(
    space: SearchSpace,
    rule: str,
    size: Size,
    told: DiskNeeds | None,
    places: Places,
    say: Announce,
    more_to_come: bool = False,
    free: FreeBytes = free_bytes,
) -> None:
    """Says in one line what the search takes at most. Raises StorageError where that is too much in any case.

    told: what the trainable says of its checkpoints, None where it says nothing; more_to_come: whether other
    trials may follow these.
    """
    held = most_held(rule, race_config(space), size.slots)
    try:
        disks = disks_of(needs_of(size, held, told, places), free)
    except OSError as error:
        say(f"note: what is free cannot be told: {error.strerror}")
        return
    for disk in disks:
        if disk.least > disk.free:
            raise StorageError(_refusal(disk))
    later = told is None and places.checkpoints is not None
    say(disk_line(disks, measured_later=later, more_to_come=more_to_come))


def disk_line(disks: Sequence[Disk], measured_later: bool = False, more_to_come: bool = False) -> str:
    """measured_later: the trainable does not say how large a checkpoint is; more_to_come: as above."""
    text = "disk: " + "; ".join(
        f"at most {bytes_text(disk.most)} in {disk.place} ({_parts(disk)}), {bytes_text(disk.free)} free"
        for disk in disks
    )
    if measured_later:
        text += "; checkpoints are not counted, but measured when the first one is written"
    if more_to_come:
        text += "; trials that follow while the budget lasts come to it"
    if any(disk.most > disk.free for disk in disks):
        text += (
            "\nnote: that may not be enough; before a disk is full the search stops, and --resume goes on "
            "with more room"
        )
    return text


def guard_of(ready: PreparedStudy, request: Request, race: Race, tell: Announce) -> DiskGuard:
    """What keeps this study from filling its disk. tell: a line while it runs."""
    study, space, dataset = ready.study, ready.space, ready.dataset
    size = size_of_search(space, ready.backend.slots, study.header.keep_oof, dataset)
    places = replace(places_of(study.path, study.store(), dataset, request), images=None, scratch=None)
    told = None if ready.disk_needs is None else ready.disk_needs.most

    def measured(found: EpochBytes) -> None:
        with contextlib.suppress(OSError):  # of a disk that says nothing of itself
            tell(disk_line(disks_of(_needs_measured(study, found, size, places))))

    def to_come(found: EpochBytes) -> int | None:
        return most_to_come(study, race, _needs_measured(study, found, size, places))

    def to_finish() -> str:
        least = least_fold_epochs(race, bounds_of(study, slots=1))
        return f"; or --resume --max-fold-epochs {least} completes the finalists of now alone"

    return DiskGuard(
        study.path,
        study.store(),
        finals=size.finalists * size.folds,
        size=_foretold(told, size),
        measured=None if told or request.resume else measured,
        to_come=to_come,
        to_finish=to_finish,
        say=tell,
    )


def _needs_measured(study: Study, found: EpochBytes, size: Size, places: Places) -> list[Need]:
    """By files of these sizes."""
    one = CheckpointBytes(found.weights, found.state)
    held = most_held(study.header.rule, race_config(study.space), size.slots)
    return needs_of(size, held, DiskNeeds(one, one), places)


def most_to_come(study: Study, race: Race, needs: Sequence[Need]) -> int | None:
    """Bytes that a search still puts into its store at most, by its estimate. None where trials that the
    estimate does not count came to it."""
    if study.trials != study.space.trials or any(isinstance(event, Reopened) for event in study.events):
        return None
    store, folds = study.store(), range(study.space.folds)
    most = sum(need.most for need in needs if need.place == store.folder)
    # What a failed trial keeps is in no estimate.
    counted = [status.trial for status in race.statuses() if status.state is not State.FAIL]
    return most - _held(store, [FoldRunKey(trial, fold) for trial in counted for fold in folds])


def _held(store: CheckpointStore, keys: Sequence[FoldRunKey]) -> int:
    """Bytes of these fold runs' files."""
    stored = by_fold_run(store.names())
    return sum(bytes_of(store, name) for key in keys for name in stored.get(str(key), ()))


def _foretold(told: CheckpointBytes | None, size: Size) -> EpochBytes:
    return EpochBytes() if told is None else EpochBytes(told.state, told.weights, size.oof, size.predictions)


def _parts(disk: Disk) -> str:
    shown = [f"{need.what} {bytes_text(need.most)}" for need in disk.needs[:SHOWN]]
    return ", ".join([*shown, *(["others"] if len(disk.needs) > SHOWN else [])])


def _refusal(disk: Disk) -> str:
    needed = sorted(disk.needs, key=lambda need: -need.least)[:SHOWN]
    parts = ", ".join(f"{need.what} {bytes_text(need.least)}" for need in needed if need.least)
    needs = f"the search needs {bytes_text(disk.least)} there at least ({parts})"
    return (
        f"disk: {disk.place} has {bytes_text(disk.free)} free and {needs};\n"
        "free some space, name another disk (--runs, --storage), or ask for less: fewer finalists or folds "
        "in the space, or --set with smaller networks or images"
    )
