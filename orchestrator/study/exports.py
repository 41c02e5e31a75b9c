"""A study as tables, for notebooks: a row per trial, a row per fold-epoch. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from orchestrator.core.events import Event, FoldRunKey, State
from orchestrator.race.contract import TrialStatus
from orchestrator.space import SearchSpace
from orchestrator.study.history import History
from orchestrator.study.trial_states import TrialStates


def trials_table(configs: Mapping[int, Mapping[str, Any]], statuses: Sequence[TrialStatus]) -> pa.Table:
    """In the order given. configs: by trial."""
    names = sorted({name for config in configs.values() for name in config})
    rows = []
    for status in statuses:
        config = configs.get(status.trial, {})
        row: dict[str, Any] = {
            "trial": status.trial,
            "state": status.state.value,
            "rung": None if status.rung is None else status.rung + 1,  # from 1, as in every message
            "score": status.score,
            "folds_complete": status.folds_complete,
            "epochs_spent": status.epochs_spent,
            "reason": status.reason,
            "config": json.dumps(config),
        }
        rows.append({**row, **{f"param_{name}": _cell(config.get(name)) for name in names}})
    return _table(rows)


def epochs_table(mode: str, events: Iterable[Event]) -> pa.Table:
    """best_score: of the epochs so far, as `score` in the metric's own direction."""
    sign, history = _sign(mode), History(mode, events)
    rows = [
        {"trial": key.trial, "fold": key.fold, "epoch": event.epoch, "score": event.score,
         "best_score": sign * best, "seconds": event.seconds, **event.metrics}
        for key in history.fold_runs()
        for event, best in zip(history.epochs(key), history.running_bests(key), strict=True)
    ]  # fmt: skip
    return _table(rows).replace_schema_metadata({"mode": mode})


def statuses_of(
    trials: Sequence[int], space: SearchSpace, events: Sequence[Event], choice: str = "best"
) -> list[TrialStatus]:
    """Best first, with no rule at hand: complete trials by score, then the others by how far they came.

    A score is the mean of the kept epochs' scores of the folds that a trial began. choice: of those epochs.
    """
    history, states = History(space.mode, events, choice), TrialStates(events)
    found = [status_of(trial, space.folds, space.max_t, history, states) for trial in trials]
    return ranked(found, space.mode)


def ranked(statuses: Iterable[TrialStatus], mode: str) -> list[TrialStatus]:
    """Best first, as `statuses_of`."""
    return sorted(statuses, key=lambda item: _rank(item, _sign(mode)))


def status_of(trial: int, folds: int, max_t: int, history: History, states: TrialStates) -> TrialStatus:
    """As `statuses_of`, of one trial. max_t: epochs of a complete fold run."""
    keys = [FoldRunKey(trial, fold) for fold in range(folds)]
    scores = [best.score for key in keys if (best := history.best(key)) is not None]
    return TrialStatus(
        trial,
        states.of_trial(trial),
        rung=None,
        score=math.fsum(scores) / len(scores) if scores else None,
        folds_complete=sum(history.done(key) >= max_t for key in keys),
        epochs_spent=states.epochs_spent[trial],
        reason=states.reason(trial),
    )


def _rank(item: TrialStatus, sign: float) -> tuple[bool, int, int, float, int]:
    score = -math.inf if item.score is None else sign * item.score
    is_complete = item.state is State.COMPLETE
    spent = 0 if is_complete else item.epochs_spent  # retries of a complete trial say nothing of it
    return (not is_complete, -item.folds_complete, -spent, -score, item.trial)


def _sign(mode: str) -> float:
    return 1.0 if mode == "max" else -1.0


def _cell(value: Any) -> Any:
    fits = isinstance(value, float | str) or (isinstance(value, int) and abs(value) < 2**63)
    return value if value is None or fits else json.dumps(value)


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
    return pa.array([_storable(value) for value in values] if kinds == {str} or len(kinds) > 1 else values)


def _storable(value: Any) -> Any:
    """Of a text the halves of characters, as in a file's name that is no UTF-8, written out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
