"""Fashion-MNIST (MIT licence, Zalando SE 2017) as images and a manifest, few and unevenly many of a class.

    apt install dataset-fashion-mnist
    python -m benchmarks.fashion_mnist runs/curves/fashion

The training part is drawn from Fashion-MNIST's own 60,000 with seed 0: 240 images of the most frequent class
down to 24 of the rarest, 981 in all, so that configurations differ as they do on small collections of
photos. The test part is 4,000 of its 10,000 test images, 400 of a class.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.errors import ManifestError
from orchestrator.progress import progress_bar
from search_spaces.curves.fashion import CLASSES

SOURCE = Path("/usr/share/datasets/fashion-mnist")
MOST, RAREST, TEST = 240, 24, 400
SEED = 0


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array in the IDX format of MNIST (big-endian header, bytes). Raises ManifestError."""
    try:
        data = gzip.decompress(path.read_bytes())
    except OSError as error:
        raise ManifestError(
            f"{path}: {error.strerror or error}; install Debian's dataset-fashion-mnist, or name the "
            "folder of the four .gz files with --source"
        ) from None
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def draw_rows(
    labels: NDArray[np.uint8], counts: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """`counts[c]` rows of each class c, in ascending order."""
    rows = [
        rng.choice(np.flatnonzero(labels == name), count, replace=False) for name, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(rows))


def write_images(source: Path, folder: Path) -> None:
    """`folder`/images/*.png and `folder`/manifest.csv: path, clothing, role."""
    rng = np.random.default_rng(SEED)
    long_tail = (
        np.geomspace(MOST, RAREST, len(CLASSES)).round().astype(np.int64)[rng.permutation(len(CLASSES))]
    )
    parts = {"train": ("train", long_tail), "test": ("t10k", np.full(len(CLASSES), TEST))}
    table: list[tuple[str, str, str]] = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for role, (name, counts) in parts.items():
        images = read_idx(source / f"{name}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{name}-labels-idx1-ubyte.gz")
        rows = draw_rows(labels, counts, rng)
        with progress_bar(f"writing {role} images") as progress:
            for done, row in enumerate(rows, 1):
                path = f"images/{role}{row:05d}.png"
                cv2.imwrite(str(folder / path), images[row])
                table.append((path, CLASSES[labels[row]], role))
                progress(done, len(rows))
    pd.DataFrame(table, columns=["path", "clothing", "role"]).to_csv(folder / "manifest.csv", index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where images and manifest.csv go")
    parser.add_argument("--source", type=Path, default=SOURCE, help="the folder of the four .gz files")
    options = parser.parse_args()
    write_images(options.source, options.folder)
    print(options.folder / "manifest.csv")
