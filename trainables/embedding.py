"""What a frozen backbone says of every image: computed once on a machine, then read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress, Steps
from orchestrator.core.cpu import cores
from orchestrator.core.image_measures import ImageSource
from trainables.device import device_of, to_tensor, use_threads
from trainables.images.embedding_cache import EmbeddingCache, Embeddings
from trainables.images.image_digests import file_digest
from trainables.images.image_store import VERSION as DECODING
from trainables.images.pixels import DEFAULT
from trainables.images.reading import read_images
from trainables.inference import all_resources
from trainables.network.frozen import FrozenBackbone, frozen_backbone
from trainables.prefetch import in_order, slices

VERSION = 1  # of what follows decoding: another number makes other caches
BATCH = 32
PART = 2048  # images after which what was computed is kept, whatever happens next
_EMBEDDING = 9  # steps of progress, of ten an image, that are not for reading the file


def embed_images(
    images: ImageSource, backbone: str, pretrained: bool | str, progress: Progress | None = None
) -> Embeddings:
    """(n, D) float32, the pooled features of each image; NaN for one that cannot be read.

    Each image is decoded as for training, without a preprocessing, and squeezed to the size that the weights
    were made with. Images whose file holds the same are computed once, and kept in the folder of caches.
    Raises TrainableError, WeightsError (see `frozen_backbone`), StorageError.
    """
    frozen = frozen_backbone(backbone, pretrained)
    steps = Steps((1 + _EMBEDDING) * len(images.paths), progress)
    rows = _rows_of_contents(images, steps)
    found = np.full((len(images.paths), frozen.width), np.nan, np.float32)
    cache = EmbeddingCache(Path(images.cache_dir) / _folder(frozen))
    with cache.lock():
        known = cache.fill(found, rows)
        steps(_EMBEDDING * (len(images.paths) - sum(len(rows[digest]) for digest in rows.keys() - known)))
        left = [digest for digest in rows if digest not in known]
        for part in slices(len(left), PART):
            digests = left[part]
            paths = [images.paths[rows[digest][0]] for digest in digests]
            values = _compute(frozen, Path(images.root), paths, steps)
            readable = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
            for digest, value in zip(digests, values, strict=True):
                found[rows[digest]] = value
            if readable.any():
                kept = [digest for digest, fine in zip(digests, readable, strict=True) if fine]
                cache.add(kept, values[readable])
    return found


def _folder(frozen: FrozenBackbone) -> str:
    height, width = frozen.size
    return f"embeddings-{frozen.digest[:20]}-{height}x{width}-{DECODING}.{VERSION}"


def _rows_of_contents(images: ImageSource, steps: Callable[[int], None]) -> dict[bytes, list[int]]:
    """SHA-256 of a file -> the rows that hold it; without files that are missing."""
    root = Path(images.root)
    rows: dict[bytes, list[int]] = defaultdict(list)
    with ThreadPoolExecutor(cores()) as pool:
        digests = pool.map(lambda path: file_digest(root / path), images.paths)
        for row, digest in enumerate(digests):
            steps(1)
            if digest:
                rows[digest].append(row)
    return dict(rows)


def _compute(
    frozen: FrozenBackbone, root: Path, paths: Sequence[str], steps: Callable[[int], None]
) -> Embeddings:
    """(m, D), NaN where an image cannot be read; files are decoded beside the computing."""
    resources = all_resources()
    use_threads(resources)
    device = device_of(resources)
    network = frozen.network.to(device)
    chunks = slices(len(paths), BATCH)
    found = np.full((len(paths), frozen.width), np.nan, np.float32)
    with ThreadPoolExecutor(resources.cpus) as pool:
        read = in_order(
            lambda step: _read(paths[chunks[step]], root, frozen.size), len(chunks), pool, resources.cpus
        )
        for chunk, (pixels, readable) in zip(chunks, read, strict=True):
            with torch.inference_mode():
                values = network(to_tensor(pixels, device).to(device, non_blocking=True))
            found[chunk][readable] = values.float().cpu().numpy()[readable]
            steps(_EMBEDDING * len(readable))
    return found


def _read(
    paths: Sequence[str], root: Path, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Pixels (m, H, W, 3), and (m,) which of the files could be read."""
    pixels, bad = read_images(paths, root, f"{size[0]}x{size[1]}", decoding=DEFAULT)
    unreadable = {item.path for item in bad}
    return pixels, np.array([path not in unreadable for path in paths], np.bool_)
