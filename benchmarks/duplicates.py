"""How many planted copies are found, how many pairs are wrong, and how long it takes.

    python -m benchmarks.duplicates planted TABLE|FOLDER|drawn [--weights FILE --backbone NAME]
    python -m benchmarks.duplicates column TABLE [--column group]
    python -m benchmarks.duplicates speed --rows 25000

`planted` takes 2,000 pictures, plants a copy of every second one, 100 of each kind in planted_copies.py, and
counts pairs: found, and wrong, which join two pictures that are not copies, nor of one group. `column`
compares with a column that names clusters of near duplicates, and writes pairs that it does not know as a
picture, for a person to look at. `speed` draws pictures and says how long each stage takes and how much
memory. Every part prints its machine, its seed and its versions.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.planted_copies import COPIES, Picture, scene
from orchestrator.core.image_measures import ImageList, ImageMeasures
from orchestrator.core.measuring import measure_images
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.hash_pairs import hash_pairs
from orchestrator.data.quality.near_duplicates import find_duplicates
from orchestrator.progress import progress_bar
from trainables.images.hashes import SIDE, hashes_of
from trainables.images.image_statistics import square
from trainables.images.measuring import measures_of

SEED = 0
SAMPLE = 1000  # files that are measured for their rate
EACH = 100  # originals of each kind of copy
HASH_DISTANCE = 31  # bits: what PDQ's authors call a match
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def found_in(
    measures: ImageMeasures, groups: NDArray[np.int64] | None, embeddings: NDArray[np.float32] | None = None
) -> Duplicates:
    with progress_bar("comparing images") as progress:
        return find_duplicates(measures, groups=groups, embeddings=embeddings, seed=SEED, progress=progress)


class Clock:
    """Seconds that passed, and seconds that the cores worked for this process."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def since(self) -> str:
        passed, worked = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
        return f"{passed:.1f} s ({worked:.1f} s of one core)"


# ---- planted copies -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    images: ImageList
    original: NDArray[np.int64]  # (n,) the row that a row is a copy of; its own row otherwise
    kind: NDArray[np.str_]  # (n,) "" of originals
    groups: NDArray[np.int64]  # (n,) what may be one picture without having been planted


def plant(source: str, work: Path, column: str, rng: np.random.Generator) -> Planted:
    """Twenty times EACH pictures, and a copy of every second one, as PNG files in a folder of `work`."""
    count = 2 * EACH * len(COPIES)
    pictures, groups = _originals(source, count, column, rng)
    originals = np.flatnonzero(np.arange(len(pictures)) % 2 == 0)
    kinds = np.array([list(COPIES)[number % len(COPIES)] for number in range(len(originals))])
    copies = [COPIES[kind](pictures[row], rng) for row, kind in zip(originals, kinds, strict=True)]
    folder = work / Path(source).parent.name / Path(source).stem
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(f"{number:05d}.png" for number in range(len(pictures) + len(copies)))
    for path, picture in zip(paths, [*pictures, *copies], strict=True):
        cv2.imwrite(str(folder / path), picture[..., ::-1])
    return Planted(
        ImageList(str(folder), paths, str(work / "cache")),
        np.concatenate([np.arange(len(pictures)), originals]),
        np.concatenate([np.full(len(pictures), ""), kinds]),
        np.concatenate([groups, groups[originals]]),
    )


def _originals(
    source: str, count: int, column: str, rng: np.random.Generator
) -> tuple[list[Picture], NDArray[np.int64]]:
    """Pictures, and which of them may show one thing."""
    if source == "drawn":
        return [scene(number) for number in range(count)], np.arange(count)
    files, names = _listed(Path(source), column)
    rows = np.sort(rng.permutation(len(files))[:count])
    pictures = [np.asarray(cv2.imread(str(files[row]), cv2.IMREAD_COLOR_RGB), np.uint8) for row in rows]
    return pictures, pd.factorize(np.array(names)[rows])[0].astype(np.int64)


def _listed(source: Path, column: str) -> tuple[list[Path], list[str]]:
    """Files and the names of their groups: of a table, or of a folder with one folder a group."""
    if source.is_file():
        table = pd.read_csv(source)
        return [source.parent / path for path in table["path"]], table[column].astype(str).tolist()
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    return files, [str(path.parent) for path in files]


def judge_planted(planted: Planted, found: Duplicates) -> dict[str, float]:
    """Recall of each kind and of all, precision; pairs of one group that were not planted count for nothing.

    An exact copy is found if it has the code of its original; that is a pair too.
    """
    copies = np.flatnonzero(planted.kind != "")
    is_found = found.exact[copies] == found.exact[planted.original[copies]]
    near = {tuple(pair) for pair in found.near_pairs.tolist()}
    is_found |= [(planted.original[row], row) in near for row in copies]
    first, second = found.near_pairs.T
    right = planted.original[first] == planted.original[second]
    known = planted.groups[first] == planted.groups[second]
    wrong = int((~right & ~known).sum())
    recall = {kind: float(is_found[planted.kind[copies] == kind].mean()) for kind in COPIES}
    right_pairs = int(is_found.sum())
    return recall | {
        "all": float(is_found.mean()),
        "precision": right_pairs / max(right_pairs + wrong, 1),
        "wrong pairs": wrong,
    }


def by_hash_alone(measures: ImageMeasures) -> Duplicates:
    """Every pair of hashes that differ in few bits, looked at no further."""
    pairs = hash_pairs(measures.hashes, HASH_DISTANCE)
    rows = np.arange(len(measures))
    likeness = (1 - pairs.distance / 256).astype(np.float32)
    return Duplicates(rows, pairs.rows, likeness, rows, f"{HASH_DISTANCE} bits of 256", None)


def planted(options: argparse.Namespace) -> None:
    data = plant(options.source, options.work, options.column, np.random.default_rng(SEED))
    with progress_bar("measuring images") as progress:
        measures = measure_images(data.images, progress=progress)
    judged = {
        "hashes alone": judge_planted(data, by_hash_alone(measures)),
        "hashes, windows, looking closely": judge_planted(data, found_in(measures, None)),
    }
    if options.weights is not None:
        from orchestrator.inputs.embeddings import embed  # loads torch

        embeddings = embed(data.images, None, options.backbone, str(options.weights)).values
        judged["the same with embeddings"] = judge_planted(data, found_in(measures, None, embeddings))
    print(f"{options.source}: {len(data.kind)} images, {int((data.kind != '').sum())} of them copies")
    print(pd.DataFrame(judged).T.round(3).T.to_string())


# ---- a column that names clusters -----------------------------------------------------------------


def column(options: argparse.Namespace) -> None:
    table = pd.read_csv(options.source)
    groups = pd.factorize(table[options.column])[0].astype(np.int64)
    images = ImageList(str(options.source.parent), tuple(table["path"]), str(options.work / "cache"))
    clock = Clock()
    with progress_bar("measuring images") as progress:
        measures = measure_images(images, progress=progress)
    print(f"measured in {clock.since()}")
    for given in (None, groups):
        clock = Clock()
        found = found_in(measures, given)
        how = "without groups" if given is None else "with groups"
        print(f"{how}, compared in {clock.since()}: {found.rule}")
        _print_column(groups, found)
    unknown = found.near_pairs[groups[found.near_pairs[:, 0]] != groups[found.near_pairs[:, 1]]]
    chosen = unknown[np.random.default_rng(SEED).permutation(len(unknown))[:50]]
    _write_sheet(options.work / "unknown_pairs.png", images, chosen)
    print(f"  50 of the pairs that the column does not know: {options.work / 'unknown_pairs.png'}")


def _print_column(groups: NDArray[np.int64], found: Duplicates) -> None:
    sizes = np.bincount(groups)
    known = [np.flatnonzero(groups == group) for group in np.flatnonzero(sizes > 1)]
    whole = sum(len(set(found.clusters[rows].tolist())) == 1 for rows in known)
    pairs = _pairs_of(groups)
    both = _pairs_of(found.clusters)
    near = {tuple(pair) for pair in found.near_pairs.tolist()}
    codes = found.exact
    linked = sum((codes[a], codes[b]) in near or codes[a] == codes[b] for a, b in pairs)
    print(
        f"  clusters of the column: {len(known)}, wholly in one of ours: {whole} ({whole / len(known):.1%})"
    )
    print(f"  pairs of the column: {len(pairs)}, found: {linked} ({linked / len(pairs):.1%})")
    print(f"  pairs in our clusters: {len(both)}, not in the column: {len(both - pairs)}")
    print(f"  our near pairs: {len(near)}, exact copies: {len(groups) - len(np.unique(codes))}")


def _pairs_of(codes: NDArray[np.int64]) -> set[tuple[int, int]]:
    return {
        (int(a), int(b))
        for code in np.flatnonzero(np.bincount(codes) > 1)
        for rows in [np.flatnonzero(codes == code)]
        for at, a in enumerate(rows)
        for b in rows[at + 1 :]
    }


def _write_sheet(path: Path, images: ImageList, pairs: NDArray[np.int64], side: int = 96) -> None:
    """Pairs side by side, five a line."""
    cells = []
    for pair in pairs:
        both = [cv2.imread(str(Path(images.root) / images.paths[row])) for row in pair]
        both = [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in both]
        cells.append(np.pad(np.hstack(both), ((3, 3), (3, 3), (0, 0)), constant_values=255))
    if cells:
        cells += [np.full_like(cells[0], 255)] * (-len(cells) % 5)
        cv2.imwrite(str(path), np.vstack([np.hstack(cells[at : at + 5]) for at in range(0, len(cells), 5)]))


# ---- speed ----------------------------------------------------------------------------------------


def speed(options: argparse.Namespace) -> None:
    """Files are measured on a sample; what is compared is drawn in memory, one in fifty a copy."""
    folder = options.work / "drawn"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [f"{number:04d}.jpg" for number in range(SAMPLE)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(folder / path), scene(number, 72, 96)[..., ::-1])
    clock = Clock()
    sample = measures_of(folder, paths)
    print(f"{SAMPLE} files of 96 x 72 pixels measured by one thread in {clock.since()}")
    measures = _drawn_measures(sample, options.rows)
    clock = Clock()
    found = found_in(measures, None)
    compared = clock.since()
    copies = np.arange(49, options.rows, 50)
    near = {tuple(pair) for pair in found.near_pairs.tolist()}
    recall = np.mean([(int(row) - 1, int(row)) in near for row in copies])
    print(
        f"{options.rows} images compared in {compared}, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB in all; "
        f"copies found {recall:.1%}, other pairs {len(near) - round(recall * len(copies))}"
    )


def _drawn_measures(sample: ImageMeasures, rows: int) -> ImageMeasures:
    """Of pictures of which only what is compared is kept, beside columns of the sample that nobody reads."""
    rng = np.random.default_rng(SEED)
    thumbnails = np.empty((rows, *sample.thumbnails.shape[1:]), np.uint8)
    hashes = np.empty((rows, *sample.hashes.shape[1:]), np.uint64)
    for start in range(0, rows, 1000):
        squares = np.array([_drawn_square(row, rng) for row in range(start, min(start + 1000, rows))])
        hashes[start : start + 1000] = hashes_of(squares)
        thumbnails[start : start + 1000] = [square(own, thumbnails.shape[1]) for own in squares]
    others = sample.take(np.arange(rows) % len(sample))
    digests = np.array([f"{row:032x}" for row in range(rows)])
    return replace(others, thumbnails=thumbnails, hashes=hashes, digests=digests)


def _drawn_square(row: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    is_copy = row % 50 == 49
    picture = scene(row - is_copy, SIDE, SIDE, shapes=6)
    if is_copy:
        picture = COPIES["JPEG 30"](picture, rng)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = parser.add_subparsers(required=True)
    one = parts.add_parser("planted")
    one.add_argument("source", help="a table with paths, a folder with one folder a group, or `drawn`")
    one.add_argument("--weights", type=Path)
    one.add_argument("--backbone", default="tf_efficientnet_lite0")
    one.set_defaults(run=planted)
    other = parts.add_parser("column")
    other.add_argument("source", type=Path)
    other.set_defaults(run=column)
    last = parts.add_parser("speed")
    last.add_argument("--rows", type=int, default=25_000)
    last.set_defaults(run=speed)
    for part in (one, other):
        part.add_argument("--column", default="group", help="names what may show one thing")
    for part in (one, other, last):
        part.add_argument("--work", type=Path, default=Path("runs/duplicates"))
    options = parser.parse_args(arguments)
    print(f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores, numpy {np.__version__}, seed {SEED}")
    options.run(options)


if __name__ == "__main__":
    main()
