"""One epoch's validation probabilities as bytes: Parquet of one float16 column, row after row, compressed.

Its bytes are split by their place in a number (BYTE_STREAM_SPLIT) and compressed with zstd; what that leaves
is measured by `python -m benchmarks.kept_predictions`. Which rows they are of is not in it: those of the
fold, in their order in the manifest.
"""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import StudyError
from orchestrator.core.metrics.class_counts import THRESHOLD
from orchestrator.study.predictions import check_fold

KIND = "probabilities"
"""Their key among an epoch's digests in the journal."""

_COLUMN = "probability"
_LEAST = np.finfo(np.float16).smallest_subnormal  # 6e-8
_CUT = np.float16(THRESHOLD)  # of a label's probability, from which a row has it
_HEADER = 2**16  # bytes of a text, and items of a list, in a file's header; real ones have a few hundred


def probabilities_to_bytes(probabilities: Probabilities, multi_label: bool = False) -> bytes:
    """probabilities (n, C), or (n, L) of several labels. Raises StudyError for what are none."""
    check_fold(np.arange(len(probabilities)), probabilities, multi_label, "an epoch's predictions")
    column = pa.array(np.ravel(_halved(probabilities, multi_label)))
    file = io.BytesIO()
    pq.write_table(
        pa.table({_COLUMN: column}),
        file,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        column_encoding="BYTE_STREAM_SPLIT",
    )
    return file.getvalue()


def _halved(probabilities: Probabilities, multi_label: bool) -> NDArray[np.float16]:
    """Rounded to float16, but every row is decided as before: a network that has barely learnt gives classes
    that differ by less than a rounding. What is above 0 stays so, for its logarithm.
    """
    found = probabilities.astype(np.float16)
    found[(found == 0) & (probabilities > 0)] = _LEAST
    if multi_label:
        up = (found >= _CUT) & (probabilities < _CUT)
        found[up] = np.nextafter(_CUT, np.float16(0))
    elif probabilities.size:
        rows, first = np.arange(len(found)), probabilities.argmax(axis=1)
        tied = found.argmax(axis=1) != first
        winners = rows[tied], first[tied]
        found[winners] = np.nextafter(found[tied].max(axis=1), np.float16(2))
    return found


def probabilities_from_bytes(
    data: bytes, rows: int, classes: int, multi_label: bool = False
) -> Probabilities:
    """(rows, classes), float32; of a single label each row sums to 1 again. Raises StudyError for others."""
    try:
        numbers = _read(data, rows * classes)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StudyError(f"an epoch's predictions cannot be read ({error})") from None
    found = numbers.reshape(rows, classes).astype(np.float32)
    check_fold(np.arange(rows), found, multi_label, "an epoch's predictions")
    return found if multi_label else found / found.sum(axis=1, keepdims=True)


def _read(data: bytes, size: int) -> NDArray[np.float16]:
    """Refuses by its header what is not so many numbers, before one is unpacked. Raises ValueError."""
    file = pq.ParquetFile(
        pa.BufferReader(data),
        thrift_string_size_limit=_HEADER,
        thrift_container_size_limit=_HEADER,
        pre_buffer=False,
    )
    expected = pa.schema([(_COLUMN, pa.float16())])
    if not file.schema_arrow.equals(expected) or file.metadata.num_rows != size:
        raise ValueError(f"{file.metadata.num_rows} numbers where {size} were due, or another table")
    numbers: NDArray[np.float16] = file.read(use_threads=False).column(_COLUMN).to_numpy()
    return numbers
