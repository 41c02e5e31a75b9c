"""Tables made from a study's journal, for notebooks: trials.parquet and epochs.parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from orchestrator.core.events import FoldRunKey
from orchestrator.race.contract import TrialStatus
from orchestrator.study.history import History
from orchestrator.study.predictions import write_parquet
from orchestrator.study.study import Study


def write_exports(study: Study, statuses: Sequence[TrialStatus]) -> None:
    """Replaces both tables; each appears whole or not at all. Raises StorageError."""
    history = History(study.space.mode, study.events)
    write_parquet(study.path / "trials.parquet", _trials(study, statuses))
    write_parquet(study.path / "epochs.parquet", _epochs(history, study.space.mode))


def _trials(study: Study, statuses: Sequence[TrialStatus]) -> pa.Table:
    configs = study.configs
    names = sorted({name for config in configs.values() for name in config})
    rows = []
    for status in statuses:
        config = configs.get(status.trial, {})
        row: dict[str, Any] = {
            "trial": status.trial,
            "state": status.state.value,
            "rung": status.rung,
            "score": status.score,
            "folds_complete": status.folds_complete,
            "epochs_spent": status.epochs_spent,
            "reason": status.reason,
            "config": json.dumps(config),
        }
        rows.append({**row, **{f"param_{name}": _cell(config.get(name)) for name in names}})
    return _table(rows)


def _epochs(history: History, mode: str) -> pa.Table:
    rows = [
        {"trial": key.trial, "fold": key.fold, "epoch": event.epoch, "score": event.score,
         "best_score": _best(history, key, event.epoch), "seconds": event.seconds, **event.metrics}
        for key in history.fold_runs()
        for event in history.epochs(key)
    ]  # fmt: skip
    return _table(rows).replace_schema_metadata({"mode": mode})


def _best(history: History, key: FoldRunKey, epoch: int) -> float | None:
    best = history.best(key, epoch)
    return None if best is None else best.score


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str | bool) else json.dumps(value)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Columns in order of appearance; a column of mixed kinds (False, "path") becomes text."""
    columns: dict[str, list[Any]] = {name: [] for row in rows for name in row}
    for row in rows:
        for name, values in columns.items():
            values.append(row.get(name))
    return pa.table({name: _array(values) for name, values in columns.items()})


def _array(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        values = [None if value is None else str(value) for value in values]
    elif kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    return pa.array(values)
