"""Which image each id of a template names. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import shortened
from orchestrator.data.importers.image_column import FileIndex, normalised
from orchestrator.ensemble.submission.template import Template

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")


def match_ids(
    template: Template,
    kept: Sequence[int],
    paths: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    root: str = "",
) -> list[int]:
    """For each row of the template the number of the image it names; images may be left over.

    An id is a cell of the column with its name in the table of the images, or a path, its end, or a file
    name, with or without suffix. kept: the template's columns that may hold the ids, the likeliest first.
    paths (m,), below root, and columns, of m cells each, are of the images. Raises EnsembleError.
    """
    files, found = FileIndex([f"{root}/{path}" for path in paths], Path(root)), []
    for index in kept:
        cells = [normalised(cell) for cell in template.column(index)]
        found.append(_Found(template.name, cells, [_named(files, cell) for cell in cells], paths))
        known = _rows_by(map(normalised, columns.get(template.header[index], ())))
        if all(cell in known for cell in cells):  # the images' own table knows best
            found[-1] = _Found(template.name, cells, [known[cell] for cell in cells], paths)
        if found[-1].is_sure:
            break
    best = found[-1] if found[-1].is_sure else found[0]
    return best.rows()


def _named(files: FileIndex, cell: str) -> Sequence[int]:
    """By the end of a path, with or without suffix, then by an id whose own suffix is another."""
    return files.matching(cell, None) or files.matching(_SUFFIX.sub("", cell), None)


class _Found:
    """One column read as ids."""

    def __init__(
        self, name: str, cells: Sequence[str], found: Sequence[Sequence[int]], paths: Sequence[str]
    ) -> None:
        self._name, self._cells, self._found, self._paths = name, cells, found, paths
        self._lacking = [cell for cell, rows in zip(cells, found, strict=True) if not rows]
        self._doubtful = [cell for cell, rows in zip(cells, found, strict=True) if len(rows) > 1]

    @property
    def is_sure(self) -> bool:
        return not self._lacking and not self._doubtful

    def rows(self) -> list[int]:
        self._refuse_repeated()
        if self._doubtful:
            cell = self._doubtful[0]
            both = " and ".join(self._paths[row] for row in self._found[self._cells.index(cell)][:2])
            raise EnsembleError(
                f"template {self._name}: id {cell!r} names two images, {both} ({len(self._doubtful)} such "
                "ids); take one of them out of what --predict names"
            )
        if self._lacking:
            raise EnsembleError(
                f"template {self._name}: {len(self._lacking)} of {len(self._cells)} ids name none of the "
                f"{len(self._paths)} images to predict: {shortened(self._lacking)}; --predict must name "
                "them all"
            )
        return [rows[0] for rows in self._found]

    def _refuse_repeated(self) -> None:
        first: dict[int, int] = {}
        for row, found in enumerate(self._found):
            earlier = first.setdefault(found[0], row) if len(found) == 1 else row
            if earlier != row:
                raise EnsembleError(
                    f"template {self._name}: rows {earlier + 1} and {row + 1} both name "
                    f"{self._paths[found[0]]}; every id must be there once, take one row out"
                )


def _rows_by(names: Iterable[str]) -> dict[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    return dict(rows)
