"""Given splits: what train, val and test are called, and which role that gives a row.

Rows of test never train. Rows of val count as rows to train on and validate: a study makes its folds of both,
unless its fold column is the split, which validates on val alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import ManifestError
from orchestrator.data.scalars import Scalar, to_scalars

SPLIT = "split"
"""The column that a layout with folders train, val and test is given."""
_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "holdout", "heldout", "pred"), "test"),
    **dict.fromkeys(("publictest", "privatetest"), "test"),
}
_FLAG = re.compile(r"is[ _-]?([a-z]+)([ _-](image|set|sample|row))?", re.IGNORECASE)  # of the column is_train
_FLAGS = {"1": True, "true": True, "0": False, "false": False}
_NAMES = ("split", "set", "subset", "partition")  # columns that may well hold one split alone


def split_of(cell: object) -> str | None:
    """train, val or test, where a cell is a name of one of them."""
    return _WORDS.get(str(cell).strip().lower())


def split_of_folder(name: str) -> str | None:
    """As `split_of`, also for train_images, test-set or seg_train: one of the words decides."""
    found = {_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def split_column(frame: pd.DataFrame, source: Path) -> str | None:
    """The column that says train, val or test of every row, if there is one.

    Raises ManifestError where two say different things, and where a column `split` says something else of a
    few rows: test rows would be trained on.
    """
    found = {
        str(name): _splits(str(name), to_scalars(frame[name]))
        for name in frame.columns
        if str(name).lower() == SPLIT
        or _flagged(str(name)) is not None
        or (name != "path" and split_of(next(iter(frame[name]), None)) is not None)
    }
    fitting = [name for name, splits in found.items() if _is_split(name, splits)]
    named = next((name for name in found if name.lower() == SPLIT), None)
    if named is not None and "test" in found[named] and named not in fitting:
        row = found[named].index(None)
        raise ManifestError(
            f"{source}: column {named!r} is {to_scalars(frame[named])[row]!r} for "
            f"{frame['path'].iloc[row]}; a split is train, val or test; correct it, or say in a column role "
            "what each row is for"
        )
    for other in fitting[1:]:
        if found[other] != found[fitting[0]]:
            row = next(row for row, cell in enumerate(found[other]) if cell != found[fitting[0]][row])
            raise ManifestError(
                f"{source}: columns {fitting[0]!r} and {other!r} both name splits and differ for "
                f"{frame['path'].iloc[row]}; remove one of them, or rename it"
            )
    return fitting[0] if fitting else None


def unread_split(frame: pd.DataFrame) -> str | None:
    """A line on a column that may well be a split and writes its parts as numbers; None where there is none.

    Whether 2 is test is nobody's to guess.
    """
    for name in frame.columns:
        if str(name).lower() in (SPLIT, "partition"):
            values = sorted({str(cell) for cell in to_scalars(frame[name])})
            if values in (["0", "1"], ["0", "1", "2"], ["1", "2"], ["1", "2", "3"]):
                return (
                    f"column {name!r} holds {', '.join(values)} and is not read as train, val and test, so "
                    "all rows train; if some are test rows, write these words, or a column role"
                )
    return None


def roles_of(frame: pd.DataFrame, column: str) -> tuple[list[str], str]:
    """The role of each row, and the line that says so."""
    splits = _splits(column, to_scalars(frame[column]))
    counts = Counter(splits)
    parts = [f"{name} {counts[name]}" for name in ("train", "val", "test") if counts[name]]
    about = {
        "test": "test rows are never trained on",
        "val": f"val rows are in the folds (or fold_column={column!r})",
    }
    said = [about[name] for name in ("test", "val") if counts[name]]
    line = f"split: column {column}: {', '.join(parts)}" + (f"; {'; '.join(said)}" if said else "")
    return ["test" if split == "test" else "train" for split in splits], line


def _splits(column: str, cells: Sequence[Scalar]) -> list[str | None]:
    part = _flagged(column)
    flags = [_FLAGS.get(str(cell).strip().lower()) for cell in cells]
    if part is None or None in flags:
        return [split_of(cell) for cell in cells]
    other = "test" if part == "train" else "train"
    return [part if flag else other for flag in flags]


def _flagged(column: str) -> str | None:
    """Which part 1 or True stands for in a column such as is_train."""
    match = _FLAG.fullmatch(column.strip())
    return None if match is None else split_of(match[1])


def _is_split(name: str, splits: Sequence[str | None]) -> bool:
    kinds = set(splits)
    return (
        None not in kinds
        and bool(kinds)
        and (name.lower() in _NAMES or _flagged(name) is not None or ("train" in kinds and len(kinds) > 1))
    )
