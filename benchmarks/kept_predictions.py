"""What keeping every epoch's validation probabilities costs: bytes by format, time by epoch, and precision.

    python -m benchmarks.kept_predictions                              # drawn predictions, about a minute
    python -m benchmarks.kept_predictions --table runs/tables/fashion  # and those of a stored table

A race of 64 configurations x 5 folds x 18 epochs on 18,900 rows of 18 classes. Drawn predictions are those
of networks that learn: three tasks (2, 3 and 3 classes; one easy, one middling, one hard) multiplied into 18
classes, sharper with every epoch. A race has as many fold-epochs as the default rule spends on drawn curves.
"""

from __future__ import annotations

import argparse
import io
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import save

from benchmarks.stored_tables import StoredTable
from orchestrator.core.metrics import score
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate.simulator import simulate
from orchestrator.race.simulate.synthetic import draw_curves
from orchestrator.storage import DirectoryStore
from orchestrator.study.kept_probabilities import probabilities_from_bytes, probabilities_to_bytes

TRIALS, FOLDS, EPOCHS, ROWS = 64, 5, 18, 18_900
TASKS = ((2, 4.0), (3, 2.5), (3, 1.2))  # classes, and how far the true one comes to stand out
SLOTS, SEED, RACES, SAMPLES = 4, 0, 20, 40
METRICS = ("macro_f1", "accuracy", "log_loss", "brier", "roc_auc")
Probabilities = NDArray[np.float32]


def drawn(rng: np.random.Generator, rows: int) -> Iterator[tuple[NDArray[np.int64], Probabilities]]:
    """Labels (n,) and probabilities (n, 18) of one epoch after another, each of another fold run."""
    while True:
        learnt = 1 - np.exp(-rng.integers(1, EPOCHS + 1) / np.exp(rng.normal(1.0, 0.7)))
        labels, joint = np.zeros(rows, np.int64), np.ones((rows, 1))
        for classes, skill in TASKS:
            truth = rng.integers(0, classes, rows)
            logits = rng.normal(0, 1 + 2 * learnt, (rows, classes))
            logits[np.arange(rows), truth] += skill * learnt * rng.gamma(4, 0.5, rows)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            joint = (joint[:, :, None] * (odds / odds.sum(axis=1, keepdims=True))[:, None]).reshape(rows, -1)
            labels = labels * classes + truth
        yield labels, joint.astype(np.float32)


def of_table(folder: Path, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.int64], Probabilities]]:
    table = StoredTable.open(folder)
    trials, epochs = table.validation.shape[:2]
    while True:
        trial, epoch = rng.integers(trials), rng.integers(epochs)
        of_fold = table.folds == rng.choice(np.unique(table.folds))
        found = table.validation[trial, epoch][of_fold].astype(np.float32)
        yield table.labels[of_fold], found / found.sum(axis=1, keepdims=True)


# ---- formats ----


def parquet(encoding: str, level: int, by_class: bool = False) -> Callable[[Probabilities], bytes]:
    def made(probabilities: Probabilities) -> bytes:
        half = probabilities.astype(np.float16)
        columns = half.T if by_class else half.reshape(1, -1)
        table = pa.table({f"p{at}": np.ascontiguousarray(column) for at, column in enumerate(columns)})
        file = io.BytesIO()
        pq.write_table(
            table, file, compression="zstd", compression_level=level, use_dictionary=False,
            write_statistics=False, column_encoding=dict.fromkeys(table.column_names, encoding),
        )  # fmt: skip
        return file.getvalue()

    return made


def plain_half(probabilities: Probabilities) -> bytes:
    data: bytes = save({"probabilities": probabilities.astype(np.float16)})
    return data


def zipped_half(probabilities: Probabilities) -> bytes:
    return bytes(pa.Codec("zstd", 3).compress(plain_half(probabilities)))


def plain_single(probabilities: Probabilities) -> bytes:
    data: bytes = save({"probabilities": probabilities})
    return data


FORMATS: dict[str, Callable[[Probabilities], bytes]] = {
    "safetensors float32": plain_single,
    "safetensors float16": plain_half,
    "safetensors float16, zstd": zipped_half,
    "Parquet float16, zstd": parquet("PLAIN", 1),
    "Parquet float16, bytes split, zstd": parquet("BYTE_STREAM_SPLIT", 1),
    "the same, zstd level 9": parquet("BYTE_STREAM_SPLIT", 9),
    "the same, a column a class": parquet("BYTE_STREAM_SPLIT", 1, by_class=True),
    "what a study keeps": probabilities_to_bytes,
}


def fold_epochs_of_races() -> list[int]:
    """That the default rule spends on drawn curves, speculation included."""
    spent = []
    for seed in range(RACES):
        rng = np.random.default_rng([SEED, seed])
        race = make_race("fold_asha", RaceConfig(TRIALS, FOLDS, EPOCHS))
        simulate(race, draw_curves(TRIALS, FOLDS, EPOCHS, rng).scores, SLOTS, rng)
        spent.append(race.spent_fold_epochs)
    return spent


def milliseconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - started)


def report_sizes(name: str, found: Sequence[Probabilities], race: int) -> None:
    per_value = sum(item.size for item in found)
    print(f"\n{name}: {len(found)} epochs of {found[0].shape[0]} rows x {found[0].shape[1]} classes")
    print("| format | bytes a number | kB an epoch | MB a race | MB exhaustive | ms to make |")
    print("|---|---|---|---|---|---|")
    for title, make in FORMATS.items():
        times = [milliseconds(partial(make, item)) for item in found]
        each = sum(len(make(item)) for item in found) / len(found)
        print(
            f"| {title} | {each * len(found) / per_value:.2f} | {each / 1e3:.0f} | {each * race / 1e6:.0f} | "
            f"{each * TRIALS * FOLDS * EPOCHS / 1e6:.0f} | {statistics.median(times):.1f} |"
        )


def _read(store: DirectoryStore, name: str, like: Probabilities) -> None:
    probabilities_from_bytes(store.get(name), *like.shape)


def report_times(found: Sequence[Probabilities]) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = DirectoryStore(Path(folder))
        data = [(f"t0000-f0/e{at:04d}", probabilities_to_bytes(item)) for at, item in enumerate(found)]
        puts = [milliseconds(partial(store.put, *item)) for item in data]
        gets = [
            milliseconds(partial(_read, store, name, item))
            for (name, _), item in zip(data, found, strict=True)
        ]
    print(
        f"put into a folder, with fsync: median {statistics.median(puts):.1f} ms an epoch, "
        f"worst {max(puts):.1f}; read again: median {statistics.median(gets):.1f} ms"
    )


def report_precision(found: Sequence[tuple[NDArray[np.int64], Probabilities]]) -> None:
    print("largest change of a score by what is kept:")
    for metric in METRICS:
        changes = []
        for labels, item in found:
            again = probabilities_from_bytes(probabilities_to_bytes(item), *item.shape)
            changes.append(abs(score(metric, labels, again) - score(metric, labels, item)))
        print(f"  {metric}: {np.nanmax(changes):.1e}")


def report(name: str, drawing: Iterator[tuple[NDArray[np.int64], Probabilities]], race: int) -> None:
    found = [next(drawing) for _ in range(SAMPLES)]
    report_sizes(name, [item for _, item in found], race)
    report_times([item for _, item in found])
    report_precision(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", type=Path, action="append", default=[])
    tables = parser.parse_args().table
    spent = fold_epochs_of_races()
    race = max(spent)
    print(f"{platform.machine()}, pyarrow {pa.__version__}, seed {SEED}")
    print(
        f"a race of {TRIALS} x {FOLDS} x {EPOCHS} by the default rule, {RACES} of drawn curves, {SLOTS} "
        f"slots: {min(spent)} to {race} fold-epochs, mean {statistics.mean(spent):.0f}; exhaustive "
        f"{TRIALS * FOLDS * EPOCHS}. MB a race are those of {race}"
    )
    report("drawn predictions", drawn(np.random.default_rng(SEED), ROWS // FOLDS), race)
    for folder in tables:
        report(folder.name, of_table(folder, np.random.default_rng(SEED)), race)


if __name__ == "__main__":
    main()
