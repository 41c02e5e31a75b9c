"""Every metric against scikit-learn, on drawn and on degenerate arrays, plain, weighted and resampled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import sklearn.metrics as sk

from orchestrator.core.metrics import METRICS, find, score

Arrays = tuple[np.ndarray, np.ndarray]
"""labels and probabilities"""


def single(seed: int, classes: int, rows: int) -> Arrays:
    """Coarse probabilities, so that many are equal."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(1, 6, (rows, classes)).astype(float)
    return rng.integers(0, classes, rows), drawn / drawn.sum(axis=1, keepdims=True)


def several(seed: int, labels: int, rows: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (rows, labels)), rng.integers(0, 9, (rows, labels)) / 8


def degenerate() -> Iterator[Arrays]:
    for classes in (2, 4):
        labels, drawn = single(0, classes, 12)
        constant = np.full((12, classes), 1 / classes)
        sure = np.eye(classes)[labels]
        yield labels, constant  # all tied
        yield labels, sure
        yield labels, sure[:, ::-1]  # of two classes all wrong
        yield np.full(12, classes - 1), drawn  # one class alone
        yield np.full(12, 0), np.eye(classes)[np.zeros(12, int)]
        yield labels[:1], drawn[:1]
    labels, drawn = several(1, 3, 12)
    yield labels, np.full(labels.shape, 0.5)
    yield labels, labels.astype(float)
    yield np.zeros_like(labels), drawn
    yield np.column_stack([labels[:, :2], np.zeros(12, int)]), drawn  # a label that no row has
    yield labels[:1], drawn[:1]


DRAWN = [
    *(
        single(seed, classes, rows)
        for seed, classes, rows in [(1, 2, 40), (2, 2, 7), (3, 3, 40), (4, 6, 200), (5, 7, 60)]
    ),
    *(several(seed, count, rows) for seed, count, rows in [(5, 2, 40), (6, 5, 200)]),
    *degenerate(),
]


def predicted(labels: np.ndarray, found: np.ndarray) -> np.ndarray:
    return (found >= 0.5).astype(int) if labels.ndim == 2 else found.argmax(axis=1)


def columns(labels: np.ndarray, found: np.ndarray) -> list[Arrays]:
    """Two classes: the second; more: each against the rest; several labels: each."""
    if labels.ndim == 2:
        return [(labels[:, at], found[:, at]) for at in range(labels.shape[1])]
    at_least = [1] if found.shape[1] == 2 else range(found.shape[1])
    return [((labels == at).astype(int), found[:, at]) for at in at_least]


def f1(average: str) -> Callable[..., float]:
    return lambda y, p, w: sk.f1_score(y, predicted(y, p), average=average, sample_weight=w, zero_division=0)


def binary_f1(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    flat = predicted(y, p)
    return sk.f1_score(y == 1, flat == 1, sample_weight=w, zero_division=0)


def accuracy(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    return sk.accuracy_score(y, predicted(y, p), sample_weight=w)


def per_label(of: Callable[..., float]) -> Callable[..., float]:
    """scikit-learn has none for several labels a row: the mean over the labels of its number for one."""

    def mean(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
        flat = predicted(y, p)
        if y.ndim == 1:
            return of(y, flat, sample_weight=w)
        return float(np.mean([of(y[:, at], flat[:, at], sample_weight=w) for at in range(y.shape[1])]))

    return mean


def kappa(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    classes = range(p.shape[1])
    return sk.cohen_kappa_score(y, predicted(y, p), labels=classes, weights="quadratic", sample_weight=w)


def over_columns(of: Callable[..., float], kinds: int) -> Callable[..., float]:
    """The mean over columns with positive rows, and with negative ones too where both kinds are needed."""

    def mean(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
        found = []
        for labels, scores in columns(y, p):
            present = set(labels[w > 0])
            if 1 in present and len(present) >= kinds:
                found.append(of(labels, scores, sample_weight=w))
        return float(np.mean(found)) if found else float("nan")

    return mean


def isic_2024(labels: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray) -> float:
    """As in the competition's own metric, which turns both axes of the ROC curve round."""
    false, true, _ = sk.roc_curve(
        1 - labels, 1 - scores, sample_weight=sample_weight, drop_intermediate=False
    )
    most = 1 - 0.8
    stop = np.searchsorted(false, most, "right")
    at_most = np.interp(most, false[stop - 1 : stop + 1], true[stop - 1 : stop + 1])
    return float(sk.auc(np.append(false[:stop], most), np.append(true[:stop], at_most)))


def log_loss(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    if y.ndim == 1:
        floored = np.maximum(p, 1e-12)
        return sk.log_loss(
            y, floored / floored.sum(axis=1, keepdims=True), labels=range(p.shape[1]), sample_weight=w
        )
    pairs = [np.column_stack([1 - p[:, at], p[:, at]]) for at in range(p.shape[1])]
    return float(np.mean([log_loss(y[:, at], pair, w) for at, pair in enumerate(pairs)]))


def brier(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    if y.ndim == 1:
        if p.shape[1] == 2:
            return sk.brier_score_loss(y, p[:, 1], sample_weight=w, pos_label=1)
        return sk.brier_score_loss(y, p, labels=range(p.shape[1]), sample_weight=w)
    return float(
        np.mean([brier(y[:, at], np.column_stack([1 - p[:, at], p[:, at]]), w) for at in range(p.shape[1])])
    )


def top_k(k: int) -> Callable[..., float]:
    return lambda y, p, w: sk.top_k_accuracy_score(y, p, k=k, labels=range(p.shape[1]), sample_weight=w)


def ece(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    """Bin by bin, as the paper writes it; scikit-learn has none."""
    if y.ndim == 1:
        confidence, right = p.max(axis=1), (p.argmax(axis=1) == y).astype(float)
    else:
        return float(np.mean([_ece(p[:, at], y[:, at].astype(float), w) for at in range(p.shape[1])]))
    return _ece(confidence, right, w)


def _ece(confidence: np.ndarray, right: np.ndarray, w: np.ndarray) -> float:
    total = 0.0
    for bin_ in range(15):
        first = bin_ == 0
        inside = ((confidence > bin_ / 15) | first) & (confidence <= (bin_ + 1) / 15) & (w > 0)
        if inside.any():
            own = w[inside]
            gap = np.average(right[inside], weights=own) - np.average(confidence[inside], weights=own)
            total += own.sum() / w.sum() * abs(gap)
    return total


EXPECTED: dict[str, Callable[..., float]] = {
    "macro_f1": f1("macro"),
    "weighted_f1": f1("weighted"),
    "micro_f1": f1("micro"),
    "binary_f1": binary_f1,
    "accuracy": accuracy,
    "balanced_accuracy": per_label(sk.balanced_accuracy_score),
    "mcc": per_label(sk.matthews_corrcoef),
    "quadratic_weighted_kappa": kappa,
    "roc_auc": over_columns(sk.roc_auc_score, 2),
    "average_precision": over_columns(sk.average_precision_score, 1),
    "partial_auc@0.8": over_columns(isic_2024, 2),
    "log_loss": log_loss,
    "brier": brier,
    "ece": ece,
    "top_k_accuracy@3": top_k(3),
    "top_k_accuracy@5": top_k(5),
}
OF_ONE_LABEL = ("binary_f1", "quadratic_weighted_kappa", "top_k_accuracy@3", "top_k_accuracy@5")


def suits(metric: str, labels: np.ndarray, found: np.ndarray) -> bool:
    if metric.startswith("top_k") and found.shape[1] <= int(metric[-1]):
        return False
    return labels.ndim == 1 or metric not in OF_ONE_LABEL


def expected(metric: str, labels: np.ndarray, found: np.ndarray, weights: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is undefined: that is asked here
        return float(EXPECTED[metric](labels, found, weights))


def test_every_metric_has_a_reference() -> None:
    assert set(EXPECTED) == set(METRICS)


@pytest.mark.parametrize("metric", METRICS)
def test_all_rows(metric: str) -> None:
    checked = 0
    for labels, found in DRAWN:
        if suits(metric, labels, found):
            own = expected(metric, labels, found, np.ones(len(labels)))
            assert score(metric, labels, found) == pytest.approx(own, abs=1e-9, nan_ok=True), (labels, found)
            checked += 1
    assert checked > 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("whole", [True, False], ids=["resampled", "weighted"])
def test_weights_of_groups_are_sample_weights_of_their_rows(metric: str, whole: bool) -> None:
    rng = np.random.default_rng(8)
    for labels, found in DRAWN:
        if len(labels) < 7 or not suits(metric, labels, found):
            continue
        groups = 6
        codes = rng.integers(0, groups, len(labels))
        weights = rng.integers(0, 4, (5, groups)) if whole else rng.random((5, groups)) * 2
        weights[:, 0] += 1  # not all zero
        weighted = find(metric).count(labels, found, codes, groups)
        many = find(metric).of(weighted(weights.astype(np.float32 if whole else np.float64)))
        for own, number in zip(weights, many, strict=True):
            rows = own[codes].astype(float)
            kept = rows > 0  # a resample knows nothing of rows that are not in it
            if kept.any():
                right = expected(metric, labels[kept], found[kept], rows[kept])
                assert number == pytest.approx(right, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("metric", METRICS)
def test_no_rows_have_no_score_and_warn_of_nothing(metric: str) -> None:
    labels, found = single(1, 2, 40)
    codes = np.arange(40) // 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weighted = find(metric).count(labels, found, codes, 2)
        none, some = find(metric).of(weighted(np.array([[0.0, 0.0], [1.0, 0.0]])))
    assert (np.isnan(none) or none == 0) and np.isfinite(some)


def test_top_k_takes_any_number_and_partial_auc_any_sensitivity() -> None:
    labels, found = single(4, 6, 200)
    assert score("top_k_accuracy@2", labels, found) == top_k(2)(labels, found, np.ones(200))
    labels, found = single(1, 2, 300)
    assert score("partial_auc@0", labels, found) == pytest.approx(score("roc_auc", labels, found))
