"""A submission read as a competition's server would: with the csv module alone, against its template."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection
from pathlib import Path


def read_submission(
    written: Path,
    template: Path,
    *,
    labels: Collection[str] | None = None,  # each value is one of them ...
    several: str | None = None,  # ... or some of them with this between them
    probabilities: bool = False,  # each value is a finite number in [0, 1]
    sums_to_one: bool = False,  # over the columns of a row
    filled: Collection[int] | None = None,  # numbers of the columns that are filled in: all but the first
) -> list[list[str]]:
    """Its rows, without the header. Raises AssertionError where a server would refuse the file."""
    out, asked = written.read_bytes(), template.read_bytes()
    header = asked.splitlines(keepends=True)[0]
    assert out.startswith(header), f"mark, header, delimiter or line ending: {out[:80]!r}, not {header!r}"
    assert out.count(b"\r\n") == (out.count(b"\n") if header.endswith(b"\r\n") else 0)
    delimiter = max(",;\t|", key=header.decode("utf-8-sig").count)
    texts = [io.StringIO(data.decode("utf-8-sig"), newline="") for data in (out, asked)]
    rows, wanted = (list(csv.reader(text, delimiter=delimiter))[1:] for text in texts)
    own = range(1, len(wanted[0])) if filled is None else filled
    kept = [
        [[cell for at, cell in enumerate(row) if at not in own] for row in table] for table in (rows, wanted)
    ]
    assert kept[0] == kept[1], "ids, or their order"
    assert {len(row) for row in rows} == {len(wanted[0])}
    for row in rows:
        cells = [row[at] for at in own]
        for cell in cells:
            words = [cell] if several is None else cell.split(several)
            assert labels is None or set(words) <= set(labels), f"{cell!r} is none of {labels}"
            assert not probabilities or 0 <= float(cell) <= 1, cell  # NaN is refused too
        assert not sums_to_one or math.isclose(sum(map(float, cells)), 1, abs_tol=1e-5), row
    return rows
