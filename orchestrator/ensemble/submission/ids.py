"""Which image each id of a template names. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from orchestrator.core.errors import EnsembleError
from orchestrator.core.text import shortened
from orchestrator.ensemble.submission.template import Template

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_Known = tuple[Callable[[str], str], Mapping[str, Sequence[int]]]
"""What an id is looked up as, and the images by that."""


def match_ids(
    template: Template, kept: Sequence[int], paths: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> list[int]:
    """For each row of the template the number of the image it names; images may be left over.

    An id is a cell of the column with its name in the table of the images, or a path, its end, or a file
    name, with or without suffix. kept: the template's columns that may hold the ids, the likeliest first.
    paths (m,) and columns, of m cells each, are of the images. Raises EnsembleError.
    """
    by_path = _by_path(paths)
    found = []
    for index in kept:
        own = columns.get(template.header[index], ())
        by_cell = (str, _rows_by((row, _normal(cell)) for row, cell in enumerate(own)))
        found.append(_Column(template, index, [by_cell, *by_path]))
        if not found[-1].lacking and not found[-1].doubtful:
            return found[-1].rows(paths)
    return found[0].rows(paths)


class _Column:
    """One column read as ids."""

    def __init__(self, template: Template, index: int, known: Sequence[_Known]) -> None:
        self._template = template
        self._ids = [_normal(cell.replace("\\", "/")) for cell in template.column(index)]
        found = [_first(cell, known) for cell in self._ids]
        self._found = found
        self.lacking = [cell for cell, rows in zip(self._ids, found, strict=True) if not rows]
        self.doubtful = [cell for cell, rows in zip(self._ids, found, strict=True) if len(rows) > 1]

    def rows(self, paths: Sequence[str]) -> list[int]:
        name = self._template.name
        self._refuse_repeated(paths)
        if self.doubtful:
            cell = self.doubtful[0]
            both = " and ".join(paths[row] for row in self._found[self._ids.index(cell)][:2])
            raise EnsembleError(
                f"template {name}: id {cell!r} names two images, {both} ({len(self.doubtful)} such ids); "
                "take one of them out of what --predict names"
            )
        if self.lacking:
            raise EnsembleError(
                f"template {name}: {len(self.lacking)} of {len(self._ids)} ids name none of the {len(paths)} "
                f"images to predict: {shortened(self.lacking)}; --predict must name them all"
            )
        return [rows[0] for rows in self._found]

    def _refuse_repeated(self, paths: Sequence[str]) -> None:
        first: dict[int, int] = {}
        for row, found in enumerate(self._found):
            earlier = first.setdefault(found[0], row) if len(found) == 1 else row
            if earlier != row:
                raise EnsembleError(
                    f"template {self._template.name}: rows {earlier + 1} and {row + 1} both name "
                    f"{paths[found[0]]}; every id must be there once, take one row out"
                )


def _first(cell: str, known: Sequence[_Known]) -> Sequence[int]:
    """The images it names by the first of these that knows it."""
    return next((rows[key(cell)] for key, rows in known if key(cell) in rows), ())


def _by_path(paths: Sequence[str]) -> list[_Known]:
    """By the path or its end, then without suffix, then by an id whose own suffix is another."""
    texts = [_normal(path.replace("\\", "/")) for path in paths]
    bare = _rows_by((row, end) for row, path in enumerate(texts) for end in _ends(_SUFFIX.sub("", path)))
    whole = _rows_by((row, end) for row, path in enumerate(texts) for end in _ends(path))
    return [(str, whole), (str, bare), (lambda cell: _SUFFIX.sub("", cell), bare)]


def _ends(path: str) -> list[str]:
    """images/a.jpg and a.jpg."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _rows_by(found: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in found:
        rows[name].append(row)
    return dict(rows)


def _normal(text: str) -> str:
    """Composed and decomposed letters meet."""
    return unicodedata.normalize("NFC", text).removeprefix("./")
