"""Parquet that a disk damaged or somebody made up is refused, not read as something else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data import parquet_files
from orchestrator.data.parquet_files import UNREADABLE, read_arrow, write_table
from orchestrator.data.table_files import read_parquet, written_record

THREADS = """
import sys
import time
from contextlib import suppress
from pathlib import Path
import numpy as np
import pandas as pd
from orchestrator.data.parquet_files import frame_of, read_arrow, table_of, write_table
from orchestrator.study.kept_probabilities import probabilities_from_bytes, probabilities_to_bytes

def threads():
    names = {}
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            names[thread.name] = (thread / "comm").read_text()
    return names

def new():
    # jemalloc's thread frees memory and knows nothing of Python.
    return [name for thread, name in threads().items() if thread not in before and "jemalloc" not in name]

before, path = set(threads()), Path(sys.argv[1])
write_table(path, table_of(pd.DataFrame({name: np.arange(5000) for name in "abcdef"})))
assert frame_of(read_arrow(path)).shape == (5000, 6)
even = np.full((5000, 4), 0.25, np.float32)
assert np.array_equal(probabilities_from_bytes(probabilities_to_bytes(even), 5000, 4), even)
until = time.monotonic() + 60
while new() and time.monotonic() < until:  # a thread has its own name only once it runs; pyarrow's stay
    time.sleep(0.05)
print(len(new()))
"""
NUMBERS = pa.table({"x": np.random.default_rng(0).random(2000)})


def test_a_flipped_byte_of_a_page_is_told_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_table(path, NUMBERS)
    whole = path.read_bytes()
    assert read_arrow(path).equals(NUMBERS)
    for at in np.linspace(200, len(whole) - 2000, 40).astype(int):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(UNREADABLE):
            read_arrow(path)
        with pytest.raises(ManifestError, match="cannot be read as Parquet"):
            read_parquet(path)


def test_without_checksums_it_is_read_as_before(tmp_path: Path) -> None:
    pq.write_table(NUMBERS, tmp_path / "x.parquet")
    assert read_arrow(tmp_path / "x.parquet").equals(NUMBERS)


def test_more_rows_than_anybody_has_are_refused_before_there_is_room_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "MOST_ROWS", 1000)
    write_table(tmp_path / "x.parquet", NUMBERS)
    with pytest.raises(ManifestError, match="it claims 2000 rows, and 1000 are read at most"):
        read_parquet(tmp_path / "x.parquet")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "[" * 100_000])
def test_a_record_beside_the_rows_that_is_none_is_no_record(text: str) -> None:
    assert written_record({"orchestrator": text}) is None


@pytest.mark.slow
def test_no_thread_of_pyarrow_is_left_that_could_abort_a_command_at_its_end(tmp_path: Path) -> None:
    line = [sys.executable, "-c", THREADS, str(tmp_path / "x.parquet")]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
