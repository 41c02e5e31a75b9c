"""Parquet as this project writes and reads it: by each page's checksum a damaged one is told.

pyarrow's threads are used nowhere: one drops what it held of Python when its answer is there already, and
aborts a command that ends at that moment with code 134. The tables are too small to gain from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError
from orchestrator.core.regular_files import open_file

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 100_000_000
"""A few bytes can claim any number of equal rows, and would take all memory."""
UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError)
"""What a damaged file makes of a reader; ValueError: a text that is none, a date that there is not."""


def read_arrow(path: Path) -> pa.Table:
    """Pages without a checksum are read too, as versions 0.1 to 0.3 wrote them. Raises UNREADABLE."""
    with (
        open_file(path) as file,
        pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False) as parquet,
    ):
        rows = parquet.metadata.num_rows
        if not 0 <= rows <= MOST_ROWS:
            raise ValueError(f"it claims {rows} rows, and {MOST_ROWS} are read at most")
        return parquet.read(use_threads=False)


def write_table(path: Path, table: pa.Table) -> None:
    """Whole or not at all. Raises StorageError."""
    try:
        with atomic_write(path) as file:
            pq.write_table(table, file, write_page_checksum=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; free space or choose another") from error


def table_of(frame: pd.DataFrame) -> pa.Table:
    """Its columns, without its index."""
    return pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)


def frame_of(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    return frame


def first_words(error: Exception) -> str:
    """Of what a reader said, one line."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
