"""Learning curves of N configurations x k folds x E epochs on real images, as Parquet.

    python -m benchmarks.make_curves --space search_spaces/curves/fashion.py \\
        --data runs/curves/fashion --out runs/curves/fashion-table --compact benchmarks/tables/fashion

Every fold run goes to its full length, one process per core (or --workers on one GPU); one that is finished
is not run again. The tables, their columns and units: docs/benchmarks/tables.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.curve_tables import Part, finished, gather, write_part
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError, ManifestError, StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.data.folds import FoldPlan, build_fold_plan
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.scalars import columns_of
from orchestrator.data.targets import factors_of
from orchestrator.execution.driver import fold_run_seed
from orchestrator.execution.on_ray.cluster import WORKER_ENVIRONMENT
from orchestrator.inputs.dataset import make_dataset, values_of
from orchestrator.progress import progress_bar
from orchestrator.sampling import RandomSampler
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space

SEED = 0


@dataclass(frozen=True)
class Job:
    """What every fold run of a table shares. test: the rows that nothing trains on."""

    trainable: str
    train: Dataset
    test_paths: tuple[str, ...]
    test_columns: dict[str, NDArray[Any]]
    max_t: int
    resources: Resources
    out: Path


def run_one(job: Job, key: FoldRunKey, config: dict[str, Any]) -> str:
    """One fold run to its end; what it raises is kept in its part, as a fold run that failed."""
    trainable = load_trainable(job.trainable)
    seed = fold_run_seed(SEED, key)
    part, best = Part(key), b""
    try:
        run = trainable(job.train, key.fold, config, job.max_t, seed, job.resources)
        for epoch in range(1, job.max_t + 1):
            started = time.perf_counter()
            metrics = run.run_epoch()
            seconds = time.perf_counter() - started
            if part.add(epoch, metrics[job.train.metric], seconds, metrics, run.probabilities()):
                best = run.weights()
        run.close()
        predictor = trainable.load_predictor(best, config, len(job.train.classes), job.resources)
        part.test = predictor.predict(job.test_paths, columns=job.test_columns)
    except Exception as error:
        part.error = f"{type(error).__name__}: {error}"
    write_part(job.out, part)
    return part.error


def make_curves(job: Job, configs: Sequence[dict[str, Any]], folds: int, workers: int) -> None:
    keys = [FoldRunKey(trial, fold) for trial in range(len(configs)) for fold in range(folds)]
    left = [key for key in keys if not finished(job.out / "parts" / f"{key}.parquet")]
    spawn = multiprocessing.get_context("spawn")
    with progress_bar("fold runs") as progress, ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        waiting = {pool.submit(run_one, job, key, configs[key.trial]): key for key in left}
        for done, future in enumerate(as_completed(waiting), len(keys) - len(left) + 1):
            if error := future.result():
                print(f"{waiting[future]} failed: {error}", flush=True)
            progress(done, len(keys))


def split(
    manifest: Manifest, space: SearchSpace, rows: int | None, out: Path
) -> tuple[Dataset, Manifest, FoldPlan]:
    """Training rows (at most `rows` groups' rows, drawn with SEED) and the rows with role test."""
    frame = manifest.frame
    test = Manifest(frame[frame["role"] == "test"].reset_index(drop=True), manifest.root, manifest.name)
    own = frame[frame["role"] == "train"]
    if rows is not None and rows < len(own):
        groups = np.random.default_rng(SEED).permutation(own["group"].unique())
        sizes = own["group"].value_counts().loc[groups].cumsum()
        own = own[own["group"].isin(sizes.index[sizes <= rows])]
    train = Manifest(own.reset_index(drop=True), manifest.root, manifest.name)
    plan = build_fold_plan(train, space.folds, SEED, space.stratify)
    return make_dataset(space, train, plan, out), test, plan


def same_experiment(out: Path, space: SearchSpace, train: Dataset) -> None:
    """Parts of another space or other images must not be mixed in. Raises StudyError."""
    numbers = {key: value for key, value in space.to_json().items() if key != "trials"}
    own = json.dumps({"space": numbers, "images": train.fingerprint, "rows": len(train.paths), "seed": SEED})
    path = out / "experiment.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(own)
    elif path.read_text() != own:
        raise StudyError(
            f"{out} holds curves of another space or other images; give another folder with --out"
        )


def prepare(job: Job, space: SearchSpace, test: Manifest) -> None:
    """Decodes the training images once, for all processes."""
    trainable = load_trainable(space.trainable)
    accepted = trainable.parameters()
    space.check_parameters(accepted)
    with progress_bar("preparing images") as progress:
        trainable.prepare(job.train, values_of(space, accepted), progress)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--space", type=Path, required=True)
    add("--data", required=True, help="manifest; rows with role test make the test scores")
    add("--out", type=Path, required=True, help="where parts and whole tables go")
    add("--compact", type=Path, help="also write the small table here, for the repository")
    add("--trials", type=int, help="configurations (default: the space's)")
    add("--rows", type=int, help="at most this many training rows, whole groups")
    add(
        "--test-query", help="pandas query on the manifest: rows that become the test set, as split == 'test'"
    )
    add("--workers", type=int, default=os.cpu_count() or 1)
    add("--gpu", action="store_true", help="share the GPU among the workers")
    options = parser.parse_args(argv)
    os.environ.update({**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1"})  # read when a process begins
    space = load_space(options.space)
    manifest = load_manifest(Path(options.data), group_column=space.group)
    if options.test_query:
        chosen = manifest.frame.eval(options.test_query)
        manifest = replace(manifest, frame=manifest.frame.assign(role=np.where(chosen, "test", "train")))
    if not (manifest.frame["role"] == "test").any():
        raise ManifestError(f"{options.data}: no row has role test; name them with --test-query")
    train, test, _ = split(manifest, space, options.rows, options.out)
    resources = Resources(1, 1 / options.workers if options.gpu else 0.0)
    paths = tuple(str(test.root / path) for path in test.frame["path"])
    job = Job(space.trainable, train, paths, columns_of(test.frame), space.max_t, resources, options.out)
    prepare(job, space, test)
    sampler = RandomSampler(space, SEED)
    configs = [sampler.propose(number) for number in range(options.trials or space.trials)]
    same_experiment(options.out, space, train)
    make_curves(job, configs, space.folds, options.workers)
    labels = space.target.encode(test.frame)
    gather(options.out, configs, train, labels, factors_of(space.target), options.compact)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from None
