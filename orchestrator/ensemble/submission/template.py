"""A competition's sample submission: its cells as text, and how its bytes are written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.core.csv_cells import is_number, without_formula
from orchestrator.core.errors import EnsembleError
from orchestrator.core.regular_files import read_file
from orchestrator.data.table_files import DELIMITERS

_PREAMBLE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # spreadsheets begin a file so


@dataclass(frozen=True)
class Form:
    """How a table is written."""

    delimiter: str = ","
    newline: str = "\n"
    mark: bool = False  # whether it begins with a byte order mark
    head: str = ""  # the lines up to the header, as they were, with "sep=;" if that was there
    quoted: str = "needed"  # cells in quotes: "needed", "all", or "text" for those of columns without numbers
    ends: bool = True  # whether the last line has a line ending


@dataclass(frozen=True)
class Template:
    """n rows of m cells; a cell is the text between the delimiters, spaces included."""

    name: str  # as messages call it
    header: tuple[str, ...]  # (m,), each once
    rows: tuple[tuple[str, ...], ...]  # (n, m)
    form: Form = Form()

    def column(self, index: int) -> list[str]:
        """Its cells without the spaces around them."""
        return [row[index].strip() for row in self.rows]

    def place(self, row: int) -> str:
        """How a message says where a row is."""
        return f"row {row + 1}, {self.rows[row][0]}"


def read_template(path: Path) -> Template:
    """A delimited text file in UTF-8 with a header and a row per id. Raises EnsembleError."""
    try:
        data = read_file(path)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise EnsembleError(f"template {path} cannot be read: {error.strerror}; correct its name") from error
    except UnicodeDecodeError as error:
        raise EnsembleError(
            f"template {path} is no text in UTF-8 ({error.reason}); unpack it, or save it as CSV in UTF-8"
        ) from error
    template = _parsed(str(path), text, data.startswith(b"\xef\xbb\xbf"))
    return replace(template, form=_quoting(template, data))


def without_formulas(template: Template) -> Template:
    """With ' before each cell that a spreadsheet would take for a formula; numbers stay as they are."""
    rows = (tuple(map(without_formula, row)) for row in template.rows)
    header = tuple(map(without_formula, template.header))
    form = template.form if header == template.header else replace(template.form, head="")
    return replace(template, header=header, rows=tuple(rows), form=form)


def rendered(template: Template) -> bytes:
    """Its bytes, written as its form says."""
    form = template.form
    texts = [form.quoted == "all" or (form.quoted == "text" and not only) for only in _numeric(template)]
    header = form.delimiter.join(
        _cell(name, form.quoted != "needed", form.delimiter) for name in template.header
    )
    lines = [form.head or header]
    for row in template.rows:
        cells = (_cell(cell, quoted, form.delimiter) for cell, quoted in zip(row, texts, strict=True))
        lines.append(form.delimiter.join(cells))
    body = form.newline.join(lines) + (form.newline if form.ends else "")
    return body.encode("utf-8-sig" if form.mark else "utf-8")


def _parsed(name: str, text: str, mark: bool) -> Template:
    preamble = _PREAMBLE.match(text)
    body = text[preamble.end() :] if preamble else text
    delimiter = preamble.group(1) if preamble else _delimiter(body)
    try:
        rows = [row for row in csv.reader(io.StringIO(body, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise EnsembleError(f"template {name} cannot be read as CSV ({error}); save it anew") from error
    if len(rows) < 2:
        raise EnsembleError(f"template {name} has no row below a header; it needs a row for each id")
    header = tuple(cell.strip() for cell in rows[0])
    _check_shape(name, header, rows)
    newline = "\r\n" if "\r\n" in body else "\n"
    head = text[: len(text) - len(body)] + body.splitlines()[0]
    form = Form(delimiter, newline, mark, head, ends=body.endswith("\n"))
    return Template(name, header, tuple(tuple(row) for row in rows[1:]), form)


def _delimiter(body: str) -> str:
    """The one that makes most cells, as many of a row as of the header; in doubt the comma."""
    lines = body.splitlines()[:2]
    cells = {mark: [len(row) for row in csv.reader(lines, delimiter=mark) if row] for mark in DELIMITERS}
    even = {mark: counts[0] for mark, counts in cells.items() if len(set(counts)) == 1}
    return max(even, key=lambda mark: even[mark]) if max(even.values(), default=1) > 1 else DELIMITERS[0]


def _check_shape(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if len(header) < 2:
        raise EnsembleError(
            f"template {name} has one column, {header[0]!r}; it needs the ids and at least one column to fill"
        )
    twice = next((cell for cell in header if header.count(cell) > 1), None)
    if twice is not None:
        raise EnsembleError(f"template {name}: column {twice!r} appears more than once; rename one of them")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise EnsembleError(
                f"template {name}: line {number} has {len(row)} cells, the header has {len(header)}; "
                "correct that line"
            )


def _quoting(template: Template, data: bytes) -> Form:
    """With the way of quoting that writes the template's own bytes; where none does, as needed."""
    forms = [replace(template.form, quoted=quoted) for quoted in ("needed", "all", "text")]
    return next((form for form in forms if rendered(replace(template, form=form)) == data), forms[0])


def _numeric(template: Template) -> list[bool]:
    columns = range(len(template.header))
    return [all(is_number(cell) for cell in template.column(index)) for index in columns]


def _cell(text: str, quoted: bool, delimiter: str) -> str:
    needed = any(mark in text for mark in (delimiter, '"', "\r", "\n"))
    return '"' + text.replace('"', '""') + '"' if quoted or needed else text
