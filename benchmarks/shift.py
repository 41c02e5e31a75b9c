"""What a leak is worth and what a shift looks like, on photos of which several show one person.

    python -m benchmarks.shift --source ../shared/data/mask_faces --weights lite0.safetensors

Prints tables in Markdown (docs/benchmarks/shift.md has them): the baseline in folds that ignore people and in
honest ones beside people it never saw; the AUC of adversarial validation on honest splits of the people, and
on splits whose second part was blurred or taken by another camera; the seconds of each step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.frozen_features import mask_faces
from orchestrator.core.image_measures import ImageList
from orchestrator.core.measuring import measure_images
from orchestrator.core.metrics import score
from orchestrator.data.quality.baseline import fitted
from orchestrator.data.quality.pixel_features import pixel_features
from orchestrator.evaluation.domain_shift import BOUND, DomainShift, domain_shift
from orchestrator.evaluation.leak_value import LeakValue, Rows, leak_value
from orchestrator.inputs.embeddings import embed
from orchestrator.progress import progress_bar

METRIC = "macro_f1"
Features = NDArray[np.float32]
Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Photos:
    images: ImageList
    labels: NDArray[np.int64]  # (n,) age: below 30, below 60, above
    people: NDArray[np.int64]  # (n,)


def read_photos(source: Path, cache: Path) -> Photos:
    found = mask_faces(source)
    assert not isinstance(found.content, np.ndarray)
    paths = tuple(path.relative_to(source).as_posix() for path in found.content)
    people = np.unique(found.groups, return_inverse=True)[1]
    return Photos(ImageList(str(source), paths, str(cache.absolute())), found.labels, people)


# ---- a leak ---------------------------------------------------------------------------------------


def hidden_people(photos: Photos, features: Features, seed: int) -> tuple[LeakValue, float]:
    """Half of the people are searched on, the score on the others is the truth."""
    rng = np.random.default_rng(seed)
    known = rng.permutation(photos.people.max() + 1) < (photos.people.max() + 1) // 2
    rows = known[photos.people]
    given = Rows(features[rows], photos.labels[rows], photos.people[rows], 3, METRIC, "max")
    answers = fitted(given.features, given.labels, 3)(features[~rows])
    return leak_value(given, None, 5, seed), score(METRIC, photos.labels[~rows], answers)


def print_leak(photos: Photos, features: Features, draws: int) -> None:
    whole = leak_value(Rows(features, photos.labels, photos.people, 3, METRIC, "max"), None, 5, 0)
    print(f"\nall people: {whole}")
    found = [hidden_people(photos, features, seed) for seed in range(draws)]
    columns = {
        "folds that ignore people": [item.leaking for item, _ in found],
        "honest folds": [item.honest for item, _ in found],
        "people never seen": [truth for _, truth in found],
    }
    print(f"\nhalf of the people, {draws} draws\n\n| {METRIC} | mean | sd over draws |\n|---|---|---|")
    for name, values in columns.items():
        print(f"| {name} | {np.mean(values):.3f} | {np.std(values):.3f} |")


# ---- a shift --------------------------------------------------------------------------------------


def blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)


def other_camera(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gamma 1.3, a warm cast of 6%, JPEG of quality 60."""
    cast = np.clip(255 * (image / 255.0) ** 1.3 * (0.94, 1.0, 1.06), 0, 255).astype(np.uint8)
    data = cv2.imencode(".jpg", cast, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def faint(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gamma 1.1 alone."""
    return np.clip(255 * (image / 255.0) ** 1.1, 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {"blur, sigma 1.5": blurred, "another camera": other_camera, "gamma 1.1": faint}


def write_changed(images: ImageList, change: Change, folder: Path) -> ImageList:
    """As PNG, so that nothing but the change is done to them."""
    paths = []
    for number, path in enumerate(images.paths):
        paths.append(f"{number:05d}.png")
        if not (folder / paths[-1]).exists():
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / paths[-1]), change(cv2.imread(str(Path(images.root) / path))))
    return ImageList(str(folder), tuple(paths), images.cache_dir)


def split(people: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """(n,) a quarter of the people, to predict."""
    order = np.random.default_rng([seed, 1]).permutation(people.max() + 1)
    return order[people] < (people.max() + 1) // 4


def print_honest(photos: Photos, kind: str, plain: Features, seeds: int) -> None:
    found = [domain_shift(plain, split(photos.people, seed), photos.people, seed) for seed in range(seeds)]
    covers = sum(item.auc.low <= 0.5 <= item.auc.high for item in found)
    effective = np.mean([item.weights.effective_rows / len(item.weights.values) for item in found])
    print(f"\n{kind}: {seeds} honest splits: AUC {_range(found)}, the interval holds 0.5 in {covers}")
    print(f"highest lower end {max(item.auc.low for item in found):.3f}, bound {BOUND}", flush=True)
    print(f"effective rows {effective:.0%}", flush=True)


def print_planted(photos: Photos, kind: str, name: str, plain: Features, changed: Features) -> None:
    """changed: of the rows to predict of split 0."""
    is_new = split(photos.people, 0)
    mixed = plain.copy()
    mixed[is_new] = changed
    found = domain_shift(mixed, is_new, photos.people, 0)
    print(f"{kind}: {name}: {found}; effective rows {found.weights.effective_rows:.0f} of "
          f"{len(found.weights.values)}", flush=True)  # fmt: skip


def _range(found: Sequence[DomainShift]) -> str:
    scores = [item.auc.score for item in found]
    return f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"


# ---- both -----------------------------------------------------------------------------------------


def timed(what: str, images: int, run: Callable[[], Features]) -> Features:
    started = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - started
    print(f"{what}: {images} images in {seconds:.1f} s, {images / seconds:.0f} a second", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/.cache/images"))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=40)
    arguments = parser.parse_args()
    photos = read_photos(arguments.source, arguments.cache)
    n = len(photos.labels)

    def by_backbone(images: ImageList) -> Features:
        values = embed(images, pretrained=arguments.weights).values
        assert values is not None
        return values

    def by_pixels(images: ImageList) -> Features:
        with progress_bar("measuring images") as progress:
            return pixel_features(measure_images(images, progress=progress))

    new = np.flatnonzero(split(photos.people, 0))
    some = replace(photos.images, paths=tuple(photos.images.paths[row] for row in new))
    folder = arguments.cache / "changed"
    sets = {name: write_changed(some, change, folder / name) for name, change in CHANGES.items()}
    for kind, describe in {"embeddings": by_backbone, "pixels": by_pixels}.items():
        plain = timed(kind, n, partial(describe, photos.images))
        timed(f"{kind}, read again", n, partial(describe, photos.images))
        if kind == "embeddings":
            print_leak(photos, plain, arguments.draws)
        print_honest(photos, kind, plain, arguments.seeds)
        for name, images in sets.items():
            print_planted(photos, kind, name, plain, describe(images))


if __name__ == "__main__":
    main()
