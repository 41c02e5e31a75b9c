"""How well planted label noise is found: the audit's order of rows against cleanlab's, on one and the same
predictions.

    python -m benchmarks.label_audit --data ../shared/data --tables runs/tables --log runs/label_audit.jsonl

On features that nothing is trained for, five heads are trained in five folds on labels of which 5% were
changed: of rows drawn alone ("row"), or of whole groups ("group"). Average precision of the changed rows, in
the order of each method; real errors that a set has anyway count against all methods alike.

cleanlab is given the same predictions, means over epochs, and those of the last epoch; of its three scores on
both the best is taken, chosen after the fact. Rows of groups whose labels contradict each other before noise
is planted are not judged: some of them are wrong, and nobody knows which. utkface's groups of near-duplicates
with different age classes are looked for with no noise planted.

What becomes of a study whose every suspect is relabelled to what its models say, or whose suspects somebody
looks at, is judged three ways: by its own labels, on rows whose label stayed, and by the true labels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.frozen_features import SOURCES, described
from benchmarks.head_training import train_head
from benchmarks.resumable import read_log
from benchmarks.stored_tables import deal_folds
from orchestrator.core.metrics import score
from orchestrator.evaluation.label_evidence import TrialAnswers, pooled_probabilities
from orchestrator.evaluation.label_issues import JudgedLabels, judge_labels, units_of
from orchestrator.evaluation.learning_dynamics import Dynamics, DynamicsSums
from orchestrator.progress import progress_bar

SHARE = 0.05  # of labels changed
FOLDS, EPOCHS = 5, 10
METRIC = "macro_f1"
CLEANLAB = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
_BASE = {"momentum": 0.9, "weight_decay": 1e-3, "batch": 64, "share": 1.0, "dropout": 0.2,
         "label_smoothing": 0.0, "class_weights": "none", "schedule": "cosine"}  # fmt: skip
CONFIGS: tuple[dict[str, Any], ...] = (
    {**_BASE, "features": "both", "width": 0, "lr": 0.02},
    {**_BASE, "features": "last", "width": 32, "lr": 0.05},
    {**_BASE, "features": "both", "width": 32, "lr": 0.05, "class_weights": "root"},
    {**_BASE, "features": "middle", "width": 0, "lr": 0.02},
    {**_BASE, "features": "both", "width": 64, "lr": 0.1, "label_smoothing": 0.1},
)


@dataclass(frozen=True)
class Rows:
    """inputs: family -> (n, d); labels (n,): as the set has them; groups (n,): numbers."""

    name: str
    inputs: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


@dataclass(frozen=True)
class Searched:
    """What heads say of the rows of the folds they did not train on: (n, C) each, by the mean over epochs and
    by the last one."""

    folds: NDArray[np.int16]
    probabilities: tuple[NDArray[np.float32], ...]
    last: tuple[NDArray[np.float32], ...]
    dynamics: Dynamics


def drawn(rng: np.random.Generator, groups: int = 400, each: int = 5, classes: int = 4) -> Rows:
    """Classes that overlap, groups that resemble each other more than their class does."""
    labels = rng.choice(classes, groups, p=_shares(classes))
    centres = rng.normal(size=(classes, 16)) * 0.6
    people = centres[labels] + rng.normal(size=(groups, 16)) * 0.9
    rows = np.repeat(np.arange(groups), each)
    seen = (people[rows] + rng.normal(size=(len(rows), 16)) * 0.7).astype(np.float32)
    families = {"last": seen[:, :10], "middle": seen[:, 6:], "both": seen}
    return Rows("drawn", families, labels[rows].astype(np.int64), rows.astype(np.int64))


def _shares(classes: int) -> NDArray[np.float64]:
    sizes = 2.0 ** -np.arange(classes)
    return sizes / sizes.sum()


def loaded(name: str, data: Path, cache: Path) -> Rows:
    """Every row of a set, with the features of `benchmarks.frozen_features`, as principal components."""
    images, describe = SOURCES[name]
    found = images(data)
    features = described(found, describe, None, cache / f"{name}.npz")
    parts = {
        key: _components(values, size)
        for (key, values), size in zip(features.items(), (192, 64), strict=True)
    }
    groups = np.unique(found.groups, return_inverse=True)[1].astype(np.int64)
    both = np.concatenate([parts["last"], parts["middle"]], axis=1)
    return Rows(name, {**parts, "both": both}, found.labels, groups)


def _components(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Scaled to variance 1; no label is looked at."""
    centred = values - values.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    components = centred @ axes[:, ::-1][:, :size]
    return (components / (components.std(axis=0) + 1e-6)).astype(np.float32)


# ---- noise, search ----


def planted(rows: Rows, kind: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """The labels, SHARE of them changed to another class, drawn evenly: of single rows or whole groups."""
    units = np.arange(len(rows.labels)) if kind == "row" else rows.groups
    names = np.unique(units)
    hit = np.isin(units, rng.choice(names, round(SHARE * len(names)), replace=False))
    steps = rng.integers(1, rows.classes, len(names))[np.searchsorted(names, units)]
    return np.where(hit, (rows.labels + steps) % rows.classes, rows.labels)


def searched(rows: Rows, given: NDArray[np.int64], seed: int) -> Searched:
    """Five heads in five folds, trained on the given labels."""
    folds = deal_folds(given, rows.groups, rows.classes, FOLDS, np.random.default_rng(seed))
    sums, found, last = DynamicsSums(len(given)), [], []
    for number, config in enumerate(CONFIGS):
        inputs = rows.inputs[config["features"]]
        means, ends = (np.empty((len(given), rows.classes), np.float32) for _ in range(2))
        for fold in range(FOLDS):
            at = np.flatnonzero(folds == fold)
            rest = folds != fold
            answers = train_head(
                config, inputs[rest], given[rest], inputs[at], rows.classes, EPOCHS, 97 * seed + number
            ).astype(np.float32)
            answers /= answers.sum(axis=2, keepdims=True)
            means[at], ends[at] = answers.mean(axis=0), answers[-1]
            sums.add(at, given[at], list(answers))
        found.append(means)
        last.append(ends)
    return Searched(folds, tuple(found), tuple(last), sums.dynamics())


# ---- orders of rows: the larger, the more suspect ----


def judged(rows: Rows, given: NDArray[np.int64], found: Searched) -> JudgedLabels:
    """As the command does."""
    pooled = _pooled(rows, given, found, found.probabilities)
    return judge_labels(pooled, given, units_of(given, rows.groups)[0])


def _pooled(
    rows: Rows, given: NDArray[np.int64], found: Searched, probabilities: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    every = np.arange(len(given))
    answers = [TrialAnswers(every, item, found.folds) for item in probabilities]
    return pooled_probabilities(answers, given, rows.classes)


def orders(rows: Rows, given: NDArray[np.int64], found: Searched) -> dict[str, NDArray[np.float64]]:
    """Name of the method -> (n,)."""
    from cleanlab.rank import get_label_quality_ensemble_scores

    every, units = np.arange(len(given)), units_of(given, rows.groups)[0]
    pooled = _pooled(rows, given, found, found.probabilities)
    last = _pooled(rows, given, found, found.last)
    late = found.dynamics
    made = {
        "ours": judge_labels(pooled, given, units).wrong,
        "ours, rows alone": judge_labels(pooled, given, every).wrong,
        "ours, last epoch": judge_labels(last, given, units).wrong,
        "dynamics, confidence": -late.confidence,
        "dynamics, learnt": late.learnt,
        "dynamics, variability": late.variability,
    }
    made["ours and learnt"] = _ranks(made["ours"]) + 0.2 * _ranks(late.learnt)
    for which, answers in (("", found.probabilities), (", last epoch", found.last)):
        for method in CLEANLAB:
            made[f"cleanlab {method}{which}"] = -get_label_quality_ensemble_scores(
                given, list(answers), method=method, verbose=False
            )
    return made


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.argsort(np.argsort(values)) / len(values)


def measured(rows: Rows, kind: str, seed: int) -> dict[str, Any]:
    """Average precision of every order, and what becomes of the score when every suspect is relabelled."""
    from sklearn.metrics import average_precision_score

    given = planted(rows, kind, np.random.default_rng(1000 + seed))
    found = searched(rows, given, seed)
    changed, known = given != rows.labels, ~contradicted(rows)
    precision = {
        name: float(average_precision_score(changed[known], order[known]))
        for name, order in orders(rows, given, found).items()
    }
    record = {"set": rows.name, "kind": kind, "seed": seed, "rows": len(given), "planted": int(changed.sum())}
    twice = {"fixed": fixed(rows, given, found, seed), "mended": mended(rows, given, found, seed)}
    return {**record, "precision": precision, **twice}


def contradicted(rows: Rows) -> NDArray[np.bool_]:
    """(n,): rows of groups that have more than one label, noise or not."""
    pairs = np.unique(np.column_stack([rows.groups, rows.labels]), axis=0)
    groups, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.isin(rows.groups, groups[counts > 1])


def fixed(rows: Rows, given: NDArray[np.int64], found: Searched, seed: int) -> dict[str, float]:
    """Every label that the models contradict is changed to what they say, whatever is true."""
    said = np.mean(found.probabilities, axis=0).argmax(axis=1)
    return _searched_again(rows, given, found, said, seed)


def mended(rows: Rows, given: NDArray[np.int64], found: Searched, seed: int) -> dict[str, float]:
    """Somebody looks at the tenth of the rows that is most suspect, and corrects what is wrong there."""
    first = np.argsort(-judged(rows, given, found).wrong, kind="stable")[: len(given) // 10]
    after = given.copy()
    after[first] = rows.labels[first]
    return _searched_again(rows, given, found, after, seed)


def _searched_again(
    rows: Rows, given: NDArray[np.int64], found: Searched, after: NDArray[np.int64], seed: int
) -> dict[str, float]:
    """The heads are trained anew, on the labels `after`.

    Gains of the metric: by each search's own labels, on rows whose label stayed, and by the true labels.
    """
    again = searched(rows, after, seed + 1)
    one, other = (np.mean(item.probabilities, axis=0) for item in (found, again))
    same = after == given
    gains = {
        "own labels": score(METRIC, after, other) - score(METRIC, given, one),
        "agreed rows": score(METRIC, given[same], other[same]) - score(METRIC, given[same], one[same]),
        "true labels": score(METRIC, rows.labels, other) - score(METRIC, rows.labels, one),
    }
    return {"relabelled": int((~same).sum()), **{name: float(value) for name, value in gains.items()}}


def at_odds(rows: Rows, seed: int = 0) -> dict[str, int]:
    """How many groups with different labels have a row among the 5% most suspect, by each method."""
    found = searched(rows, rows.labels, seed)
    conflicting = np.unique(rows.groups[contradicted(rows)])
    most = round(0.05 * len(rows.labels))
    said = {"groups": len(conflicting), "rows": int(np.isin(rows.groups, conflicting).sum())}
    for name, order in orders(rows, rows.labels, found).items():
        top = rows.groups[np.argsort(-order, kind="stable")[:most]]
        said[name] = int(np.isin(conflicting, top).sum())
    return said


# ---- the command ----


def means(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table in Markdown: mean average precision; the standard error of ours minus the best cleanlab."""
    lines = ["| set, noise | ours | rows alone | last epoch | best cleanlab | ours - cleanlab | draws |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, kind in dict.fromkeys((item["set"], item["kind"]) for item in records):
        own = [item["precision"] for item in records if (item["set"], item["kind"]) == (name, kind)]
        column = {key: np.array([item[key] for item in own]) for key in own[0]}
        best = max((key for key in column if key.startswith("cleanlab")), key=lambda key: column[key].mean())
        gain = column["ours"] - column[best]
        error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else float("nan")
        lines.append(
            f"| {name}, {kind} | {column['ours'].mean():.3f} | {column['ours, rows alone'].mean():.3f} | "
            f"{column['ours, last epoch'].mean():.3f} | "
            f"{column[best].mean():.3f} ({best.removeprefix('cleanlab ')}) | "
            f"{gain.mean():+.3f} ({error:.3f}) | {len(own)} |"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of utkface/ and mask_faces/")
    add("--fashion", type=Path, help="folder that benchmarks.fashion_mnist wrote")
    add(
        "--tables",
        type=Path,
        required=True,
        help="folder with features/, as benchmarks.stored_tables keeps it",
    )
    add("--draws", type=int, default=5, help="of the noise, for each set and kind")
    add("--log", type=Path, help="JSON lines to append to; what is there already is not measured again")
    options = parser.parse_args(argv)
    folders = {"utkface": options.data / "utkface", "mask_faces": options.data / "mask_faces"}
    if options.fashion is not None:
        folders["fashion"] = options.fashion
    cache = options.tables / "features"
    every = [drawn(np.random.default_rng(0)), *(loaded(name, path, cache) for name, path in folders.items())]
    known = _logged(options.log)
    done = {(item["set"], item["kind"], item["seed"]) for item in known}
    tasks = [
        (rows, kind, seed) for seed in range(options.draws) for rows in every for kind in ("row", "group")
    ]
    started = time.perf_counter()
    with progress_bar("draws") as progress:
        for number, (rows, kind, seed) in enumerate(tasks):
            if (rows.name, kind, seed) not in done and not (kind == "group" and _is_alone(rows)):
                known.append(measured(rows, kind, seed))
                _log(options.log, known[-1])
            progress(number + 1, len(tasks))
    print("\n".join(means(known)))
    for rows in every:
        if rows.name == "utkface":
            print("conflicting groups among the 5% most suspect rows:", json.dumps(at_odds(rows)))
    print(f"{time.perf_counter() - started:.0f} s; macro-F1 gained when every suspect is relabelled:")
    print("\n".join(_gains(known, "fixed")))
    print("when somebody corrects what is wrong among the 10% most suspect:")
    print("\n".join(_gains(known, "mended")))


def _is_alone(rows: Rows) -> bool:
    return len(np.unique(rows.groups)) == len(rows.groups)


def _gains(records: Sequence[Mapping[str, Any]], which: str) -> list[str]:
    lines = ["| set, noise | relabelled | own labels | agreed rows | true labels |", "|---|---|---|---|---|"]
    known = [item for item in records if which in item]
    for name, kind in dict.fromkeys((item["set"], item["kind"]) for item in known):
        own = [item[which] for item in known if (item["set"], item["kind"]) == (name, kind)]
        mean = {key: float(np.mean([item[key] for item in own])) for key in own[0]}
        gains = " | ".join(f"{mean[key]:+.3f}" for key in ("own labels", "agreed rows", "true labels"))
        lines.append(f"| {name}, {kind} | {mean['relabelled']:.0f} | {gains} |")
    return lines


def _logged(log: Path | None) -> list[dict[str, Any]]:
    return [] if log is None else read_log(log)


def _log(log: Path | None, record: Mapping[str, Any]) -> None:
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
