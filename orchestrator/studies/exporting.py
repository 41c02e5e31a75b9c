"""All trials of all studies in one table, for a notebook or a spreadsheet."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.callbacks import Progress
from orchestrator.core.csv_cells import without_formula
from orchestrator.core.errors import InputError, OrchestratorError, StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.data.parquet_files import frame_of, table_of, write_table
from orchestrator.study.exports import statuses_of, trials_table
from orchestrator.study.history import History
from orchestrator.study.study import Study

SUFFIXES = (".parquet", ".csv")


def trials_of(study: Study) -> pd.DataFrame:
    """A row per trial, best first: study, space, data, metric, mode, trial, state, score (mean over the folds
    that it began), fold_<n> (the kept epoch's score of each), folds_complete, epochs_spent, reason, config
    (JSON), param_<name>."""
    header, space, configs = study.header, study.space, study.configs
    statuses = statuses_of(list(configs), space, study.events, header.epoch_choice)
    frame = frame_of(trials_table(configs, statuses))
    if frame.empty:
        return frame
    history = History(space.mode, study.events, header.epoch_choice)
    for fold in range(space.folds):
        bests = [history.best(FoldRunKey(int(trial), fold)) for trial in frame["trial"]]
        place = frame.columns.tolist().index("folds_complete")
        frame.insert(place, f"fold_{fold}", [None if best is None else best.score for best in bests])
    about = {
        "study": study.path.name,
        "space": header.space_name,
        "data": header.rows_fingerprint[:12],
        "metric": header.metric,
        "mode": header.mode,
    }
    for place, (name, value) in enumerate(about.items()):
        frame.insert(place, name, value)
    return frame.drop(columns="rung", errors="ignore")


def all_trials(folders: Sequence[Path], progress: Progress | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Of every study that can be read, and a sentence for each that cannot. A parameter that is a number in
    one study and a word in another is text in all."""
    frames, faults = [], []
    for number, folder in enumerate(folders, 1):
        try:
            frames.append(trials_of(Study(folder)))
        except (OrchestratorError, OSError) as error:
            faults.append(str(error))
        if progress is not None:
            progress(number, len(folders))
    return _joined([frame for frame in frames if not frame.empty]), faults


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not frames:
        return pd.DataFrame()
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    first = [name for name in names if not name.startswith(("fold_", "param_"))]
    place = first.index("folds_complete")
    folds = sorted((name for name in names if name.startswith("fold_")), key=lambda name: int(name[5:]))
    params = sorted(name for name in names if name.startswith("param_"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of columns that are empty in one study
        joined = pd.concat(frames, ignore_index=True)
    joined = joined[[*first[:place], *folds, *first[place:], *params]]
    mixed = [name for name in params if len(set(map(type, joined[name].dropna()))) > 1]
    for name in mixed:
        if not set(map(type, joined[name].dropna())) <= {int, float}:
            joined[name] = [None if pd.isna(value) else str(value) for value in joined[name]]
    return joined


def refuse_output(out: Path) -> None:
    """Raises InputError for a name that cannot be written to."""
    if out.suffix.lower() not in SUFFIXES or out.exists():
        raise InputError(
            f"--out {out}: name a file that does not exist and ends in {' or '.join(SUFFIXES)} (nothing was "
            "changed)"
        )


def write_trials(frame: pd.DataFrame, out: Path) -> None:
    """As its name says, whole or not at all. In CSV no cell is a formula. Raises StudyError, StorageError,
    OSError."""
    if frame.empty:
        raise StudyError(f"no trial of any study to write to {out}; run a search first, or name --runs")
    if out.suffix.lower() == ".parquet":
        write_table(out, table_of(frame))
        return
    text = defused(frame).to_csv(index=False)
    with atomic_write(out) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def defused(frame: pd.DataFrame) -> pd.DataFrame:
    """No text in it, names of columns included, is taken for a formula by a spreadsheet."""
    safe = frame.rename(columns=lambda name: without_formula(str(name)))
    for name in safe.columns:
        safe[name] = [without_formula(cell) if isinstance(cell, str) else cell for cell in safe[name]]
    return safe
