"""Each image decoded and resized once per node, into one memory-mapped array that all processes share.

The array lies in the dataset's cache folder as a plain .npy file (n, H, W, 3) uint8 RGB, in the order of the
dataset's rows. Its name is made of the dataset's fingerprint, the size, what decoding leaves open, the
preprocessing and the columns that this reads.

Beside it a JSON file remembers the size and time of every image file, so that `build_store` notices images
that were changed in place, and a digest of their contents, so that it tells those from mere copies: machines
that share the folder over a network don't replace each other's store. It also keeps the facts of the images,
so that a store that is used again can say them again.
"""

import errno
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from orchestrator.core.callbacks import Progress
from orchestrator.core.cpu import cores
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import StorageError
from trainables.images.image_digests import (
    REMEMBERED,
    contents_digest,
    file_digest,
    files_digest,
    joined,
    known_of,
    part_of,
    write_text,
)
from trainables.images.image_facts import NOTE, ImageFacts, gather_facts
from trainables.images.pixels import DEFAULT, Decoding, Images
from trainables.images.preprocess import Preprocess, as_preprocess, size_of
from trainables.images.reading import Unreadable, read_images, unreadable
from trainables.prefetch import in_order, slices

VERSION = 2  # of decoding and resizing: another number makes other stores
CHUNK = 64  # images one thread decodes before it reports


def store_path(dataset: Dataset, size: int | str, preprocess: str = "", decoding: Decoding = DEFAULT) -> Path:
    """Where the images of this dataset lie, whether they are there yet or not. Raises TrainableError."""
    height, width = size_of(size)
    shape = str(height) if height == width else f"{height}x{width}"
    steps = as_preprocess(preprocess)
    name = hashlib.sha256(f"{VERSION} {dataset.fingerprint} {shape} {decoding.text}".encode())
    name.update("\n".join(dataset.paths).encode())
    if steps.steps:
        name.update(f"\n{steps.text}".encode())
    for column, values in steps.columns_in(dataset.columns).items():
        name.update(f"\n{column} ".encode() + values.tobytes())
    return Path(dataset.cache_dir) / f"images-{name.hexdigest()[:20]}-{shape}px.npy"


def open_store(
    dataset: Dataset, size: int | str, preprocess: str = "", decoding: Decoding = DEFAULT
) -> Images:
    """The shared array (n, H, W, 3), read-only; builds it where `build_store` was not called.

    Raises ImageReadError, StorageError, TrainableError.
    """
    path = store_path(dataset, size, preprocess, decoding)
    if not path.exists():
        build_store(dataset, size, preprocess=preprocess, decoding=decoding)
    images: Images = np.load(path, mmap_mode="r", allow_pickle=False)
    return images


def build_store(
    dataset: Dataset,
    size: int | str,
    progress: Progress | None = None,
    preprocess: str = "",
    decoding: Decoding = DEFAULT,
) -> Path:
    """Decodes every image, unless an up-to-date store is there. Safe when several processes do it at once.

    Raises ImageReadError (listing all that cannot be read), TrainableError (a size, a preprocessing or a box
    that cannot be used) and StorageError (no space); then no file is left.
    """
    path = store_path(dataset, size, preprocess, decoding)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = _state_of(path)
    with FileLock(f"{path}.lock"):
        known, now = known_of(path, state), files_digest(dataset)
        if now not in known["files"]:
            if known["contents"] is None or known["contents"] != contents_digest(dataset, progress):
                store = _Store(dataset, size, as_preprocess(preprocess), decoding, progress)
                contents, facts = _publish(path, state, store)
                known = {"files": [], "contents": contents, "facts": facts.as_json()}
            files = [*known["files"][-REMEMBERED:], now]
            write_text(state, json.dumps({**known, "files": files}))
    if progress is not None:
        progress(len(dataset.paths), len(dataset.paths))
    return path


def facts_of(store: Path) -> ImageFacts:
    """Of the images of a store that `build_store` returned."""
    return ImageFacts.from_json(json.loads(_state_of(store).read_text())["facts"])


def _state_of(store: Path) -> Path:
    return store.with_suffix(".json")


@dataclass(frozen=True)
class _Store:
    """One that is to be made."""

    dataset: Dataset
    size: int | str
    preprocess: Preprocess
    decoding: Decoding
    progress: Progress | None


def _publish(path: Path, state: Path, store: _Store) -> tuple[str, ImageFacts]:
    """The digest of the contents it was made of, and their facts."""
    part = part_of(path)
    try:
        made = _fill(part, store)
        state.unlink(missing_ok=True)
        part.replace(path)
        return made
    finally:
        part.unlink(missing_ok=True)


def _fill(part: Path, store: _Store) -> tuple[str, ImageFacts]:
    dataset, root, total = store.dataset, Path(store.dataset.root), len(store.dataset.paths)
    columns = store.preprocess.columns_in(dataset.columns)
    images = _allocate(part, (total, *size_of(store.size), 3))
    chunks = slices(total, CHUNK)
    digests, notes = [b""] * total, np.zeros(total, NOTE)

    def decode(step: int) -> list[Unreadable]:
        rows = chunks[step]
        paths = dataset.paths[rows]
        digests[rows] = [file_digest(root / path) for path in paths]
        own = {name: column[rows] for name, column in columns.items()}
        images[rows], bad = read_images(
            paths, root, store.size, store.preprocess, own, store.decoding, notes[rows]
        )
        return bad

    bad: list[Unreadable] = []
    threads = cores()
    with ThreadPoolExecutor(threads) as pool:
        for done, found in enumerate(in_order(decode, len(chunks), pool, ahead=2 * threads)):
            bad += found
            if store.progress is not None:
                store.progress(min((done + 1) * CHUNK, total), total)
    if bad:
        raise unreadable(bad, total, root)
    facts = gather_facts(notes, dataset.paths, images)
    images.flush()
    return joined(digests), facts


def _allocate(part: Path, shape: tuple[int, ...]) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """An empty .npy file with its space reserved: a full disk must be an error here, not a SIGBUS later."""
    images = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    try:
        with part.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            gigabytes = part.stat().st_size / 1e9
            raise StorageError(
                f"{part.parent}: no room for {gigabytes:.1f} GB of decoded images; free some space"
            ) from error
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot reserve space
            raise
    return images
