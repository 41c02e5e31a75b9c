"""One pass over image files that measures each: digest, hashes, size, statistics, thumbnail, EXIF.

The measures lie in the source's cache folder as an archive whose name is made of the files' paths, sizes and
times, so that the pass is not made twice. A file that cannot be read is told in the measures.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.cpu import cores
from orchestrator.core.errors import StorageError
from orchestrator.core.image_measures import (
    STATISTICS,
    ImageMeasures,
    ImageSource,
    joined,
    read_measures,
    write_measures,
)
from trainables.images.decode import decode
from trainables.images.exif import FileFacts, facts_of
from trainables.images.file_kinds import UndecodableError, kind_of
from trainables.images.hashes import SIDE, hashes_of, qualities_of
from trainables.images.image_statistics import square, statistics_of
from trainables.images.pixels import DEFAULT, Decoding, Images
from trainables.images.reading import file_bytes
from trainables.prefetch import in_order, slices

VERSION = 1  # of what is measured: another number makes other archives
THUMBNAIL = 32  # pixels of a side
CHUNK = 64  # files one thread measures before it reports
_UNKNOWN = (np.nan,) * len(STATISTICS)


def measure_images(
    images: ImageSource,
    progress: Progress | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
) -> ImageMeasures:
    """As `core.measuring.measure_images`. Raises StorageError."""
    decoding = _decoding(values or {})
    path = _path(images, decoding)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            known = _read(path)
            if known is not None:
                return known
            measures = _measured(images, decoding, progress)
            write_measures(path, measures)
            return measures
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}; free some space") from error


def known_measures(
    images: ImageSource, values: Mapping[str, Sequence[Any]] | None = None
) -> ImageMeasures | None:
    """What an earlier pass over the same files left in the cache folder; None where there was none."""
    return _read(_path(images, _decoding(values or {})))


def _decoding(values: Mapping[str, Sequence[Any]]) -> Decoding:
    given = {name: values[name][0] for name in ("background", "value_range") if values.get(name)}
    return Decoding(**given)


def _path(images: ImageSource, decoding: Decoding) -> Path:
    root = Path(images.root).resolve()
    name = hashlib.sha256(f"{VERSION} {decoding.text} {root}\n".encode())
    for path in images.paths:
        try:
            stat = (root / path).stat()
            name.update(f"{path}\0{stat.st_size} {stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        except OSError:
            name.update(f"{path}\0missing\n".encode("utf-8", "surrogateescape"))
    return Path(images.cache_dir) / f"measures-{name.hexdigest()[:20]}.npz"


def _read(path: Path) -> ImageMeasures | None:
    """None for one that is missing or damaged: it is measured again."""
    try:
        return read_measures(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


# ---- the pass -------------------------------------------------------------------------------------


def _measured(images: ImageSource, decoding: Decoding, progress: Progress | None) -> ImageMeasures:
    root, total = Path(images.root), len(images.paths)
    chunks, threads = slices(total, CHUNK), cores()
    parts = [measures_of(root, (), decoding)]
    with ThreadPoolExecutor(threads) as pool:

        def part(step: int) -> ImageMeasures:
            return measures_of(root, images.paths[chunks[step]], decoding)

        for done, measures in enumerate(in_order(part, len(chunks), pool, ahead=2 * threads)):
            parts.append(measures)
            if progress is not None:
                progress(min((done + 1) * CHUNK, total), total)
    return joined(parts)


def measures_of(root: Path, paths: Sequence[str], decoding: Decoding = DEFAULT) -> ImageMeasures:
    """Of these files; one of them at a time is held in memory."""
    squares = np.zeros((len(paths), SIDE, SIDE), np.uint8)
    records = [_record(root / path, decoding, own) for path, own in zip(paths, squares, strict=True)]
    table = np.array([record.numbers for record in records], np.float32).reshape(-1, len(STATISTICS))
    thumbnails = np.array([square(own, THUMBNAIL) for own in squares], np.uint8)
    hashes, errors = hashes_of(squares), np.array([record.error for record in records], np.str_)
    hashes[errors != ""] = 0  # the bits of nothing at all are not all alike
    return ImageMeasures(
        digests=np.array([record.digest for record in records], np.str_),
        hashes=hashes,
        height=np.array([record.height for record in records], np.int32),
        width=np.array([record.width for record in records], np.int32),
        kind=np.array([record.kind for record in records], np.str_),
        mode=np.array([record.facts.mode for record in records], np.str_),
        statistics=dict(zip(STATISTICS, table.T, strict=True)),
        thumbnails=thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL),
        camera=np.array([record.facts.camera for record in records], np.str_),
        taken=np.array([record.facts.taken for record in records], np.str_),
        errors=errors,
    )


class _Record(NamedTuple):
    """Of one file; the defaults are those of one that cannot be read."""

    error: str = ""
    digest: str = ""
    height: int = 0
    width: int = 0
    kind: str = ""
    facts: FileFacts = FileFacts()
    numbers: Sequence[float] = _UNKNOWN


def _record(path: Path, decoding: Decoding, picture: NDArray[np.uint8]) -> _Record:
    """picture: (64, 64), filled with it in grey."""
    try:
        data = file_bytes(path)
        decoded = decode(data, decoding)
    except UndecodableError as error:
        return _Record(error=str(error))
    numbers, grey = statistics_of(decoded.pixels)
    picture[:] = square(grey, SIDE)
    quality = float(qualities_of(picture[None])[0])
    flags = [float(len(data)), float(decoded.turned), float(decoded.transparent)]
    height, width = (decoded.reduced * side for side in decoded.pixels.shape[:2])
    return _Record(
        digest=digest_of(decoded.pixels),
        height=height,
        width=width,
        kind=kind_of(data),
        facts=facts_of(data),
        numbers=[*numbers, quality, *flags],
    )


def digest_of(pixels: Images) -> str:
    """BLAKE2b of the pixels and their shape, 32 hex digits."""
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
