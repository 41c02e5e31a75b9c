"""Which images an ensemble's models learned the label of, so that none of them passes for new.

trained_on.parquet in its folder has a row for each: `path` as the study's manifest writes it, `place`, a
digest of where the image lay, and `content`, one of what it held. Images that only models gave a label are
not in it. An image to predict that was trained on is a warning, never a refusal: a competition's test part
may hold copies of training images, and its submission needs a row for each.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import shortened
from orchestrator.data.identical_files import are_copies
from orchestrator.data.image_record import content_digests
from orchestrator.data.manifest import Manifest, joined_folds
from orchestrator.data.scalars import to_scalars, to_text
from orchestrator.data.table_files import read_parquet, write_parquet
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.sources import image_paths
from orchestrator.space import SearchSpace
from orchestrator.space.condition import condition_mask
from orchestrator.study.predictions import read_paths

FILE = "trained_on.parquet"
_DIGEST = 16  # hex digits: 64 bits tell a million images apart


def trained_rows(manifest: Manifest, space: SearchSpace) -> pd.DataFrame:
    """Columns path, place and content (empty where the image is not at hand), of a study's rows that some
    fold trains on with a label that was known."""
    frame = manifest.frame
    # A label that only models gave is no reason to doubt a prediction of that image.
    labelled = ((frame["role"] != "test") & (joined_folds(frame) < 0)).to_numpy()
    mask = condition_mask(space, frame)
    kept = labelled if mask is None else labelled & mask
    rows = Manifest(frame[kept], manifest.root, manifest.name)
    paths = [str(path) for path in rows.frame["path"]]
    contents = _contents(rows)
    return pd.DataFrame({"path": paths, "place": location_digests(rows), "content": contents})


def _contents(manifest: Manifest) -> list[str]:
    paths = [str(path) for path in manifest.frame["path"]]
    return [digest[:_DIGEST] for digest in content_digests(manifest.root, paths)]


def location_digests(manifest: Manifest) -> list[str]:
    """A digest of where each image lies on this machine, links followed."""
    folders: dict[str, str] = {}
    found = []
    for path in manifest.frame["path"]:
        folder, name = os.path.split(manifest.root / path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        path_here = Path(folders[folder]) / name
        real = os.path.realpath(path_here) if path_here.is_symlink() else str(path_here)
        found.append(hashlib.sha256(os.fsencode(real)).hexdigest()[:_DIGEST])
    return found


def write_trained_on(folder: Path, tables: Sequence[pd.DataFrame]) -> None:
    """What `trained_rows` gave for each study. Raises StorageError."""
    write_parquet(folder / FILE, pd.concat(tables).drop_duplicates(ignore_index=True), {})


@dataclass(frozen=True)
class TrainedOn:
    """What an ensemble knows by heart."""

    manifest: str  # fingerprint of the (first) study's rows
    paths: frozenset[str]  # as that manifest writes them
    locations: frozenset[str]  # digests of where they lay; an older folder has none
    contents: Mapping[str, str] = field(default_factory=dict)  # digest of what one held -> its path
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)  # the same -> where such ones lay

    @classmethod
    def of(cls, ensemble: Ensemble) -> TrainedOn:
        """A folder of an older version knows its out-of-fold rows. Raises InputError."""
        fingerprint, path = str(ensemble.record.manifest.get("fingerprint", "")), ensemble.path / FILE
        if not path.is_file():
            return cls(fingerprint, read_paths(ensemble.path / "oof.parquet"), frozenset())
        table, _ = read_parquet(path)
        if not {"path", "place"} <= {*map(str, table.columns)}:
            raise EnsembleError(f"{path} is damaged: no columns path and place; write the ensemble anew")
        return cls.from_table(table, fingerprint)

    @classmethod
    def from_table(cls, table: pd.DataFrame, fingerprint: str) -> TrainedOn:
        """Of what `trained_rows` gave."""
        paths, digests = (_texts(table[name]) for name in ("path", "place"))
        places: dict[str, set[str]] = {}
        for held, place in _by_content(table, "place"):
            places.setdefault(held, set()).add(place)
        lay = {held: frozenset(found) for held, found in places.items()}
        return cls(fingerprint, paths, digests, dict(_by_content(table, "path")), lay)

    def rows(self, manifest: Manifest) -> NDArray[np.bool_]:
        """(n,): the rows that certainly were trained on, by their location, or in the very same table."""
        if manifest.fingerprint == self.manifest:
            return self._named(manifest)
        return np.array([digest in self.locations for digest in location_digests(manifest)], np.bool_)

    def copies(self, manifest: Manifest, trained: Sequence[Manifest] = ()) -> NDArray[np.bool_]:
        """(n,): the rows whose image was trained on, or holds the same as one that was, under any name.

        trained: rows with the images that were trained on, which are compared as a whole where they are at
        hand; where they are not, a row that looks like one of them by its sampled bytes counts as a copy.
        """
        places, contents = location_digests(manifest), _contents(manifest)
        found = np.array([place in self.locations for place in places], np.bool_)
        alike = np.flatnonzero([held in self.contents for held in contents] & ~found)
        if len(alike):
            paths = image_paths(manifest)
            found[alike] = self._hold_the_same(
                [paths[row] for row in alike], [contents[row] for row in alike], trained
            )
        return found

    def _hold_the_same(
        self, paths: Sequence[str], contents: Sequence[str], trained: Sequence[Manifest]
    ) -> NDArray[np.bool_]:
        """(n,): of images that look like some that were trained on, which hold the same as one of them."""
        at_hand = {
            place: path
            for rows in trained
            for place, path in zip(location_digests(rows), image_paths(rows), strict=True)
            if place in self.locations and os.access(path, os.R_OK)
        }
        looks = {held: self.places.get(held, frozenset()) for held in set(contents)}
        known = {held for held, places in looks.items() if places and places <= at_hand.keys()}
        whole = are_copies(paths, [at_hand[place] for held in known for place in looks[held]])
        return whole | [held not in known for held in contents]

    def _named(self, manifest: Manifest) -> NDArray[np.bool_]:
        return np.array([path in self.paths for path in manifest.frame["path"]], np.bool_)

    def warning(self, manifest: Manifest) -> str | None:
        """For the user when rows were trained on: such predictions look better than they are."""
        return self._of_rows(manifest, self.rows(manifest))

    def warnings(self, manifest: Manifest) -> list[str]:
        """With that of copies, wherever they lie, of images that were trained on."""
        same = self.rows(manifest)
        found = (self._of_rows(manifest, same), self._of_copies(manifest, ~same))
        return [warning for warning in found if warning is not None]

    def _of_rows(self, manifest: Manifest, same: NDArray[np.bool_]) -> str | None:
        """same (n,): the rows that certainly were trained on."""
        if same.any():
            first = shortened(manifest.frame["path"][same].tolist())
            return (
                f"warning: {same.sum()} of {len(same)} rows were trained on ({first}), so their predictions "
                "look better than they are; the honest ones are in the ensemble's oof.parquet"
            )
        alike = self._named(manifest)
        alike[alike] = [not self._differs(path, digest) for path, digest in _held(manifest, alike)]
        if not alike.any():
            return None
        return (
            f"warning: {alike.sum()} of {len(alike)} rows have the path of a row that was trained on; if "
            "they are the same images, their predictions look better than they are"
        )

    def _differs(self, path: str, digest: str) -> bool:
        """Whether an image is known to hold something else than the one of that path that was trained on."""
        return path in self._known and digest not in self.contents

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.contents.values())

    def _of_copies(self, manifest: Manifest, elsewhere: NDArray[np.bool_]) -> str | None:
        """elsewhere (n,): the rows that may hold the same as images that were trained on."""
        if not self.contents or not elsewhere.any():
            return None
        known = [(path, self.contents.get(digest)) for path, digest in _held(manifest, elsewhere)]
        pairs = [f"{path} is {own}" for path, own in known if own]
        if not pairs:
            return None
        return (
            f"warning: {len(pairs)} of {len(manifest)} images are copies of images that were trained on "
            f"({shortened(pairs)}), so their predictions look better than they are"
        )


def _held(manifest: Manifest, rows: NDArray[np.bool_]) -> list[tuple[str, str]]:
    """Path, and a digest of what it holds, of some rows."""
    some = replace(manifest, frame=manifest.frame[rows].reset_index(drop=True))
    return list(zip(map(str, some.frame["path"]), _contents(some), strict=True))


def _by_content(table: pd.DataFrame, column: str) -> list[tuple[str, str]]:
    """The digest of what each image that was at hand held, and its cell of a column; a folder of before there
    was the digest knows none."""
    if "content" not in table:
        return []
    pairs = zip(to_scalars(table["content"]), to_scalars(table[column]), strict=True)
    return [(text, to_text(cell) or "") for held, cell in pairs if (text := to_text(held))]


def _texts(column: Iterable[object]) -> frozenset[str]:
    return frozenset(to_text(cell) or "" for cell in to_scalars(column))
