"""The manifest: which images there are, whose they are, and what is known of them.

A row is one image. Columns: path (posix, relative to root), group (text; rows that belong together share it),
role (train, extra or test), and whatever the source said of it (age, gender, mask, label, ...).

A row with role extra joins every training part; with a number in the column only_fold it joins that fold's
alone, because its label came from that fold's models. Such an image may have a row for each fold.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.image_roots import refuse_other_root
from orchestrator.data.importers.contract import AS_FOUND, UNSAID, Imported, Reading, require
from orchestrator.data.importers.detect import detect, with_more
from orchestrator.data.importers.table import THE_FRAME, frame_rows
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.data.splits import roles_of, split_column, unread_split
from orchestrator.data.table_files import read_parquet, write_parquet, written_record

ROLES = ("train", "extra", "test")
ONLY_FOLD, FOLD_PLAN_DIGEST = "only_fold", "fold_plan_digest"
"""Columns: the one fold whose training part a row joins, and the digest of the folds it is meant for."""
_NAMES_IN_0_1 = {ONLY_FOLD: "joins_fold", FOLD_PLAN_DIGEST: "joins_plan"}
NAMES_NO_GROUP = "names no group"
GIVEN_GROUP = "given_group"
"""Column: the group as the source gave it, where copies made groups one (`data.quality.joined_groups`)."""


@dataclass(frozen=True)
class Manifest:
    """Checked rows in a frozen order."""

    frame: pd.DataFrame  # one row an image; the columns are in the module's docstring
    root: Path  # the folder that paths are relative to
    name: str  # of the data set
    notes: tuple[str, ...] = ()  # worth telling the user
    found: tuple[str, ...] = ()  # lines of how the source was read; not kept on disk

    def __len__(self) -> int:
        return len(self.frame)

    def lines(self) -> list[str]:
        """What to tell the user: how the source was read, and its notes."""
        return [*self.found, *(f"note: {note}" for note in self.notes)]

    def why_nothing_trains(self) -> str:
        """The reason of a refusal where every row has role test."""
        said = set(self.frame.columns) - {"path", "group", "role"}
        return "every row has role test" if said else f"every row has role test, because {UNSAID}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the rows in their order: of what they say, not of where root lies."""
        # Names as in version 0.1, so that the rows of its studies keep their fingerprint.
        columns = {_NAMES_IN_0_1.get(str(column), str(column)): column for column in self.frame.columns}
        names = sorted(columns)
        digest = hashlib.sha256(json.dumps(names).encode())
        for row in zip(*(to_scalars(self.frame[columns[name]]) for name in names), strict=True):
            digest.update(json.dumps(row).encode() + b"\n")
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """As Parquet, whole or not at all. Raises StorageError."""
        record = {
            "root": str(self.root),
            "name": self.name,
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }
        write_parquet(path, self.frame, record)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Inverse of `write`. Raises ManifestError for a file that `write` did not make."""
        if not path.is_file():
            raise ManifestError(f"manifest {path} does not exist")
        table, metadata = read_parquet(path)
        frame, record = _with_names(table), written_record(metadata)
        if record is None:
            raise ManifestError(f"{path} is not a manifest that this program wrote")
        texts = frame.assign(**{name: _texts(frame, name) for name in ("path", "group", "role")})
        manifest = cls(texts, Path(record["root"]), record["name"], tuple(record["notes"]))
        if manifest.fingerprint != record["fingerprint"]:
            raise ManifestError(f"{path}: its rows don't match its own fingerprint; restore the file")
        return manifest


DataSource = str | Path | pd.DataFrame | Manifest
"""What rows are read from: a file or folder, a table in memory, or rows that were read before."""


def load_manifest(
    source: DataSource,
    *,
    reading: Reading = AS_FOUND,
    path_column: str | None = None,
    group_column: str | None = None,
    role_column: str = "role",
    data_root: Path | None = None,
) -> Manifest:
    """Reads what `source` is (`data.importers.IMPORTERS` lists the layouts) and checks every row.

    A DataFrame has one row for each image and a column that names it.
    reading: how the source is read; path_column stands for `Reading(path_column=...)`.

    data_root: where the images of a table lie, if not where it says (beside its file; those of a DataFrame
    below the current folder); a folder of images is its own root, and they have to lie there too.
    group_column: what groups the rows; None leaves it to the layout (the competition has id), to a column
    named group, or else makes each row a group of its own.
    Rows keep the order of their table; those of folders are sorted by path.
    Raises ManifestError.
    """
    asked = replace(reading, data_root=data_root, path_column=path_column or reading.path_column)
    rows = _rows_of(source, asked)
    if data_root is not None and not rows.frame.empty:
        refuse_other_root(data_root, [str(path) for path in rows.frame["path"]])
        rows = rows if rows.listed else replace(rows, root=data_root)
    return _checked(rows, source_name(source), group_column, role_column)


def source_name(source: DataSource) -> Path:
    """What messages and a study's header call it."""
    if isinstance(source, Manifest):
        return Path(source.name)
    return THE_FRAME if isinstance(source, pd.DataFrame) else Path(source)


def _rows_of(source: DataSource, reading: Reading) -> Imported:
    if isinstance(source, Manifest):
        return Imported(source.frame, source.root, source.name, "group", notes=source.notes)
    if isinstance(source, pd.DataFrame):
        return with_more(frame_rows(source, reading), reading, THE_FRAME)
    return detect(Path(source), reading)


def role_conflict(frame: pd.DataFrame) -> str | None:
    """What is wrong when an image is in two rows, or a group in two roles; None when all is well.

    Rows with role extra join every training part, so a group in train and extra would be trained on and
    validated on, and one in test with any other role would be tested on what was trained on.
    """
    repeated = _repeated(frame)
    if repeated:
        differ = _difference(frame, repeated[0])
        return f"{len(repeated)} rows repeat a path: {shortened(repeated)}{differ}; keep one row per image"
    roles = frame.groupby("group", sort=False)["role"].nunique()
    shared = roles[roles > 1].index.tolist()
    if not shared:
        return None
    found = sorted(set(frame["role"][frame["group"] == shared[0]]))
    return (
        f"group {shared[0]!r} has rows with the roles {' and '.join(found)} ({len(shared)} such groups), so "
        "what is trained on would be judged on; give all rows of a group one role"
    )


def joined_folds(frame: pd.DataFrame) -> NDArray[np.int16]:
    """(n,): the one fold a row joins, -1 where it has none. Raises ManifestError for what is no fold."""
    if ONLY_FOLD not in frame:
        return np.full(len(frame), -1, np.int16)
    cells = to_scalars(frame[ONLY_FOLD])
    for row, (cell, role) in enumerate(zip(cells, frame["role"], strict=True)):
        if cell is None:
            continue
        is_fold = isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell < 2**15
        if not is_fold or role != "extra":
            raise ManifestError(
                f"column {ONLY_FOLD!r} is {cell!r} for {frame['path'].iloc[row]}, which has role {role}; it "
                "takes the number of a fold, from 0, in rows with role extra; leave it empty elsewhere"
            )
    return np.array([-1 if cell is None else cell for cell in cells], np.int16)


def group_columns(frame: pd.DataFrame) -> list[str]:
    """The columns whose text is the group in every row: what the groups came from, such as id."""
    groups = frame["group"].tolist()
    others = [str(name) for name in frame.columns if name not in ("path", "group", "role")]
    return [name for name in others if _texts(frame, name).tolist() == groups]


def given_groups(frame: pd.DataFrame) -> list[str]:
    """(n,): the groups as the source gave them, before copies joined some."""
    if GIVEN_GROUP not in frame:
        return [str(group) for group in frame["group"]]
    cells = zip(to_scalars(frame[GIVEN_GROUP]), frame["group"], strict=True)
    return [to_text(given) or str(group) for given, group in cells]


def group_names(frame: pd.DataFrame) -> set[str]:
    """Of every group that a row is of, as it is and as its source gave it."""
    return {*frame["group"], *given_groups(frame)}


def _with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """With the columns of pseudo-labels as they are called now, in a table that version 0.1 wrote too."""
    old = {former: name for name, former in _NAMES_IN_0_1.items() if name not in frame}
    return frame.rename(columns=old)


def _repeated(frame: pd.DataFrame) -> list[str]:
    """Paths of rows that repeat an image: twice for one fold, or for one fold and for every fold."""
    rows = pd.DataFrame({"path": frame["path"].to_numpy(), "fold": joined_folds(frame)})
    everywhere = set(rows["path"][rows["fold"] < 0])
    twice = rows.duplicated() | ((rows["fold"] >= 0) & rows["path"].isin(everywhere))
    return [str(path) for path in rows["path"][twice]]


def _difference(frame: pd.DataFrame, path: str) -> str:
    """What the rows of one image say differently, such as " (label 'a' and 'b')"."""
    rows = frame[frame["path"] == path].drop(columns=["path", "role"], errors="ignore")
    for name in sorted(map(str, rows.columns), key=lambda name: name == "group"):  # what it shows comes first
        cells = list(dict.fromkeys(to_scalars(rows[name])))
        if len(cells) > 1:
            return f" ({name} {' and '.join(map(repr, cells[:2]))})"
    return ""


def _checked(rows: Imported, source: Path, group_column: str | None, role_column: str) -> Manifest:
    if rows.frame.empty:
        raise ManifestError(f"{source} lists no image; it needs a line per image")
    notes, found = list(rows.notes), list(rows.found)
    frame = _with_names(rows.frame.reset_index(drop=True))
    paths = [str(path) for path in frame["path"]]
    _refuse_undecodable(paths, source)
    frame["path"] = pd.Series(paths, dtype=object)
    frame = _without_copies(frame, source, notes)
    frame["group"] = pd.Series(_groups(frame, rows.group, group_column, source, notes), dtype=object)
    frame["role"] = pd.Series(_roles(frame, role_column, source, notes, found), dtype=object)
    conflict = role_conflict(frame)
    if conflict is not None:
        raise ManifestError(f"{source}: {conflict}")
    if not rows.listed:
        _refuse_missing_files(frame, rows.root, source)
    first = ["path", "group", "role"]
    frame = frame[first + [column for column in frame.columns if column not in first]]
    return Manifest(
        frame, rows.root.absolute(), rows.name, tuple(notes), tuple(found)
    )  # workers run elsewhere


def _texts(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    return pd.Series([to_text(cell) for cell in to_scalars(frame[column])], dtype=object)


def _groups(
    frame: pd.DataFrame, own: str | None, asked: str | None, source: Path, notes: list[str]
) -> list[str | None]:
    column = asked or own
    if column is None:
        notes.append(
            f"{source} {NAMES_NO_GROUP}: each of its {len(frame)} images counts as a group of its own; if "
            "some belong together, name their column in the space (group=...) or read them from the names "
            "with --group-pattern, else the validation score is too good"
        )
        return frame["path"].tolist()
    require(frame, (column,), source)
    groups = [to_text(cell) for cell in to_scalars(frame[column])]
    if None in groups:
        row = groups.index(None)
        raise ManifestError(
            f"{source}: group column {column!r} is empty for {frame['path'].iloc[row]} "
            f"({groups.count(None)} rows in all); fill it in, a value of its own for each lone image"
        )
    return groups


def _without_copies(frame: pd.DataFrame, source: Path, notes: list[str]) -> pd.DataFrame:
    """A line that a table repeats as a whole counts once; rows for one fold each may be alike by intent."""
    again = frame.duplicated()
    if ONLY_FOLD in frame or not again.any():
        return frame
    first = shortened(frame["path"][again].tolist())
    notes.append(
        f"{source}: {counted(int(again.sum()), 'row')} left out that repeat another exactly: {first}"
    )
    return frame[~again].reset_index(drop=True)


def _roles(
    frame: pd.DataFrame, column: str, source: Path, notes: list[str], found: list[str]
) -> list[str | None]:
    if column not in frame and column == "role":
        split = split_column(frame, source)
        if split is None:
            unread = unread_split(frame)
            notes += [] if unread is None else [f"{source}: {unread}"]
            return ["train"] * len(frame)
        by_split, line = roles_of(frame, split)
        found.append(line)
        return list(by_split)
    require(frame, (column,), source)
    roles = [to_text(cell) for cell in to_scalars(frame[column])]
    for row, role in enumerate(roles):
        if role not in ROLES:
            said = "empty" if role is None else repr(role)
            raise ManifestError(
                f"{source}: column {column!r} is {said} for {frame['path'].iloc[row]}; "
                f"a role is one of {', '.join(ROLES)}"
            )
    return roles


def _refuse_undecodable(paths: list[str], source: Path) -> None:
    """File names that are not UTF-8 come from the system with stand-ins that no table can store."""
    bad = [ascii(path) for path in paths if any("\ud800" <= letter <= "\udfff" for letter in path)]
    if bad:
        raise ManifestError(f"{source}: {len(bad)} file names are not UTF-8: {shortened(bad)}; rename them")


def _refuse_missing_files(frame: pd.DataFrame, root: Path, source: Path) -> None:
    """One listing per folder: a call per file would take minutes on a network drive."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for path in frame["path"]:
        folder, name = posixpath.split(path)
        folders[folder].append(name)
    missing: list[str] = []
    for folder, names in folders.items():
        present = _listing(root / folder)
        missing.extend(posixpath.join(folder, name) for name in names if name not in present)
    if missing:
        raise ManifestError(
            f"{source}: {len(missing)} of {len(frame)} images are not under {root}: {shortened(missing)}; "
            "correct the paths or take the rows out"
        )


def _listing(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names alone, no Path for each
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
