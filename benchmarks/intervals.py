"""How long intervals take: every metric, resampled by groups, and the correction for the choice of trials.

    python -m benchmarks.intervals --rows 20000 --repeats 1000 --trials 16

Drawn predictions of 2 classes, of 18 and of 11 labels, a group a row, which is the most work. It prints
seconds for each metric, how much slower than macro-F1 that is, seconds of BBC-CV for each trial among which
it chooses, and what one epoch's scores cost.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchestrator.core.metrics import METRICS, applicable, epoch_scores
from orchestrator.core.task import Task
from orchestrator.evaluation.bbc_cv import bbc_cv
from orchestrator.evaluation.bootstrap import draw_bags, group_codes
from orchestrator.evaluation.resampled_scores import ResampledScores
from orchestrator.evaluation.voted import Candidates
from orchestrator.evaluation.voting import soft_vote

OF_TRIALS = ("macro_f1", "log_loss", "roc_auc")


@dataclass(frozen=True)
class Drawn:
    name: str
    task: Task
    labels: np.ndarray
    members: list[np.ndarray]  # probabilities of each trial


def classes(count: int, rows: int, trials: int, rng: np.random.Generator) -> Drawn:
    labels = rng.integers(0, count, rows)
    members = []
    for _ in range(trials):
        logits = rng.normal(size=(rows, count))
        logits[np.arange(rows), labels] += 1.5
        members.append((np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32))
    return Drawn(f"{count} classes", Task(tuple(map(str, range(count))), ordered=True), labels, members)


def several(count: int, rows: int, trials: int, rng: np.random.Generator) -> Drawn:
    labels = (rng.random((rows, count)) < 0.2).astype(np.int64)
    members = [((labels * 0.3 + rng.random((rows, count))) / 1.3).astype(np.float32) for _ in range(trials)]
    return Drawn(f"{count} labels", Task(tuple(map(str, range(count))), multi_label=True), labels, members)


def seconds(of: Callable[[], object]) -> float:
    started = time.perf_counter()
    of()
    return time.perf_counter() - started


def report(drawn: Drawn, repeats: int, rng: np.random.Generator) -> None:
    labels, first = drawn.labels, drawn.members[0]
    groups = np.arange(len(labels))
    codes, count = group_codes(groups)
    weights = draw_bags(count, repeats, rng)
    took = {
        metric: seconds(lambda name=metric: ResampledScores(labels, first, codes, count, name)(weights))
        for metric in applicable(drawn.task)
    }
    for metric, found in took.items():
        print(f"{drawn.name:>10}  {metric:<26} {found:7.2f} s  {found / took['macro_f1']:6.1f} x macro_f1")
    folds = (groups % 5).astype(np.int16)
    for metric in OF_TRIALS:
        study = Candidates(drawn.members, labels, folds, 3, metric, METRICS[metric].mode)
        found = seconds(
            lambda study=study, metric=metric: bbc_cv(
                [study], labels, groups, metric, soft_vote, lambda votes: votes[0], rng, repeats
            )
        )
        each = found / len(drawn.members)
        print(f"{drawn.name:>10}  BBC-CV {metric:<19} {found:7.2f} s  {each:6.2f} s a trial")
    found = seconds(lambda: epoch_scores("macro_f1", labels, first, drawn.task))
    print(f"{drawn.name:>10}  one epoch, all metrics     {found:7.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    machine, cores = platform.processor() or platform.machine(), len(os.sched_getaffinity(0))
    print(f"{machine}, {cores} cores, numpy {np.__version__}")
    print(f"{args.rows} rows, a group each, {args.repeats} resamples, {args.trials} trials, seed {args.seed}")
    for drawn in (
        classes(2, args.rows, args.trials, rng),
        classes(18, args.rows, args.trials, rng),
        several(11, args.rows, args.trials, rng),
    ):
        report(drawn, args.repeats, rng)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
