"""The fold plan: in which fold each row is validated. Groups never cross folds; shares of the strata agree.

The plan is a function of the manifest, k, the seed and the strata, and is frozen on disk under their
fingerprint, so that studies of different targets on one manifest can be compared row by row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import FoldPlanError, ManifestError
from orchestrator.core.text import counted
from orchestrator.core.typed_fields import check_fields
from orchestrator.data.given_folds import given_folds
from orchestrator.data.group_split import spread_groups
from orchestrator.data.manifest import Manifest, role_conflict
from orchestrator.data.strata import no_split, refuse_rare_classes, stratum_counts
from orchestrator.data.table_files import read_parquet, write_parquet, written_record
from orchestrator.data.targets import Joint, Target

EXTRA, TEST = -1, -2
_VERSION = 1  # of the rule that makes folds; another rule must not answer for this one's files


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """Made by `build_fold_plan`, or read from where one was frozen."""

    # (n,) the fold that validates each row; -1 for role extra and for rows that a fold column calls train, -2
    # for role test
    folds: NDArray[np.int16]
    k: int  # number of folds
    seed: int
    fingerprint: str  # of the manifest's rows, k and the folds; equal plans have equal ones, however made
    manifest_fingerprint: str = ""  # of the rows alone
    inputs: str = ""  # digest of what the folds were made from; names the frozen file

    def write(self, path: Path) -> None:
        """As Parquet with the column fold, whole or not at all. Raises StorageError."""
        record = {
            "k": self.k,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "manifest_fingerprint": self.manifest_fingerprint,
            "inputs": self.inputs,
        }
        write_parquet(path, pd.DataFrame({"fold": self.folds}), record)

    @classmethod
    def read(cls, path: Path) -> FoldPlan:
        """Inverse of `write`. Raises FoldPlanError for a file that was changed or is not a plan."""
        try:
            frame, metadata = read_parquet(path)
        except ManifestError as error:
            raise FoldPlanError(f"fold plan {error}") from None
        record = written_record(metadata)
        try:
            if record is None or "manifest_fingerprint" not in record or list(frame) != ["fold"]:
                raise ValueError("it has other columns or no record of them")
            check_fields(cls, record)
            plan = cls(frame["fold"].to_numpy(np.int16), **record)
        except (TypeError, ValueError, OverflowError) as error:
            raise FoldPlanError(
                f"{path} is not a fold plan that this program wrote ({error}); restore or delete it"
            ) from None
        if plan.fingerprint != _content(plan.manifest_fingerprint, plan.k, plan.folds):
            raise FoldPlanError(
                f"{path}: its folds don't match its fingerprint {plan.fingerprint[:12]}; "
                "restore the file from a copy"
            )
        return plan


def build_fold_plan(
    manifest: Manifest, k: int, seed: int, strata: Sequence[Target], fold_column: str | None = None
) -> FoldPlan:
    """Folds of the train rows: each group in one fold, the joint stratum's shares as equal as can be.

    fold_column: take the folds from this column instead of making them.
    Raises FoldPlanError, or ManifestError from a target.
    """
    if k < (2 if fold_column is None else 1):
        raise FoldPlanError(f"folds={k}: cross-validation needs at least 2")
    conflict = role_conflict(manifest.frame)
    if conflict is not None:
        raise FoldPlanError(f"manifest {manifest.name!r}: {conflict}")
    roles = manifest.frame["role"].to_numpy()
    folds = np.where(roles == "test", TEST, EXTRA).astype(np.int16)
    train = manifest.frame[roles == "train"].reset_index(drop=True)
    if train.empty:
        raise FoldPlanError(f"manifest {manifest.name!r} has no row with role train; folds need some")
    if fold_column is None:
        folds[roles == "train"] = _made_folds(
            train, manifest.frame[roles == "extra"], k, seed, _single(strata)
        )
    else:
        folds[roles == "train"] = given_folds(
            train, manifest.frame[roles == "extra"], k, fold_column, _single(strata)
        )
    return FoldPlan(
        folds,
        k,
        seed,
        _content(manifest.fingerprint, k, folds),
        manifest.fingerprint,
        _inputs(manifest, k, seed, strata, fold_column),
    )


def load_or_build(
    directory: Path,
    manifest: Manifest,
    k: int,
    seed: int,
    strata: Sequence[Target],
    fold_column: str | None = None,
) -> FoldPlan:
    """The plan frozen in `directory` for these inputs; made and written if there is none yet.

    Two processes may do this at once: both write the same bytes, each by an atomic replace.
    Raises FoldPlanError (also for a file that was changed), ManifestError, StorageError.
    """
    inputs = _inputs(manifest, k, seed, strata, fold_column)
    path = directory / f"folds-{inputs[:16]}.parquet"
    if not path.exists():
        plan = build_fold_plan(manifest, k, seed, strata, fold_column)
        plan.write(path)
        return plan
    plan = FoldPlan.read(path)
    if plan.inputs != inputs or len(plan.folds) != len(manifest.frame):
        raise FoldPlanError(f"{path} was made for another manifest, k, seed or strata; delete it")
    return plan


# ---- fingerprints ---------------------------------------------------------------------------------


def _content(manifest_fingerprint: str, k: int, folds: NDArray[np.int16]) -> str:
    digest = hashlib.sha256(f"{manifest_fingerprint} {k} ".encode())
    # Bytes in a stated order: machines must agree on it.
    digest.update(np.ascontiguousarray(folds, dtype="<i2").tobytes())
    return digest.hexdigest()


def _inputs(manifest: Manifest, k: int, seed: int, strata: Sequence[Target], column: str | None) -> str:
    record: dict[str, Any] = {
        "version": _VERSION,
        "manifest": manifest.fingerprint,
        "k": k,
        "seed": seed,
        "strata": [_identity(target) for target in _single(strata)],
        "fold_column": column,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _single(strata: Sequence[Target]) -> list[Target]:
    """Joints taken apart, each target once, in an order of their own: (mask, age) is (age, mask)."""
    parts: dict[str, Target] = {}
    for target in strata:
        inner = _single(target.parts) if isinstance(target, Joint) else [target]
        parts.update({json.dumps(_identity(part), sort_keys=True): part for part in inner})
    return [parts[key] for key in sorted(parts)]


def _identity(target: Target) -> dict[str, Any]:
    """What decides the folds: how a table spells the classes does not."""
    return {key: value for key, value in target.to_json().items() if key != "spelling"}


# ---- folds made here ------------------------------------------------------------------------------


def _made_folds(
    train: pd.DataFrame, extra: pd.DataFrame, k: int, seed: int, strata: Sequence[Target]
) -> NDArray[np.int16]:
    groups, names = pd.factorize(train["group"], sort=True)
    if len(names) < k:
        way_out = "use fewer folds" if len(names) > 1 else "folds need 2 groups at least"
        raise FoldPlanError(f"{counted(len(names), 'group')} cannot fill {k} folds; {way_out}")
    labels = [target.encode(train) for target in strata]
    for target, values in zip(strata, labels, strict=True):
        refuse_rare_classes(target, values, train["group"].tolist(), k, extra)
    counts, required = stratum_counts(strata, labels, groups, k)
    fold_of_group = spread_groups(counts, required, k, np.random.default_rng([seed, k]))
    if fold_of_group is None:
        raise FoldPlanError(no_split(strata, k))
    return fold_of_group[groups]
