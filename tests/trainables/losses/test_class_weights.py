from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from orchestrator.core.errors import TrainableError
from trainables.losses.class_weights import class_weights, log_prior, marginal_counts

COUNTS = np.array([60, 25, 10, 5], np.int64)


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    assert class_weights("balanced", COUNTS) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name, raw",
    [
        ("inverse_sqrt", COUNTS**-0.5),
        ("effective", (1 - 0.99) / (1 - 0.99 ** COUNTS.astype(float))),
    ],
)
def test_weights_are_their_formula_and_one_for_the_average_row(name: str, raw: np.ndarray) -> None:
    weights = class_weights(name, COUNTS, beta=0.99)
    assert weights is not None and (weights * COUNTS).sum() == pytest.approx(COUNTS.sum())
    assert weights / weights[0] == pytest.approx(raw / raw[0])


def test_effective_weights_run_from_none_to_balanced() -> None:
    assert class_weights("effective", COUNTS, beta=0.0) == pytest.approx(np.ones(4))
    assert class_weights("effective", COUNTS, beta=0.99999) == pytest.approx(
        class_weights("balanced", COUNTS), rel=1e-3
    )


@pytest.mark.parametrize("name", ["balanced", "inverse_sqrt", "effective"])
def test_a_class_without_training_rows_weighs_nothing(name: str) -> None:
    weights = class_weights(name, np.array([3, 0, 1]))
    others = class_weights(name, np.array([3, 1]))
    assert weights is not None and others is not None
    assert weights == pytest.approx([others[0], 0.0, others[1]])


def test_unknown_weights_are_refused() -> None:
    assert class_weights("none", COUNTS) is None
    with pytest.raises(TrainableError, match="class_weights='linear' is not known; use one of none"):
        class_weights("linear", COUNTS)


def test_the_prior_of_a_class_without_rows_is_finite() -> None:
    shares = np.exp(log_prior(np.array([8, 0, 1])))
    assert shares == pytest.approx([0.8, 0.1, 0.1])


def test_counts_of_a_factor_are_summed_over_the_others() -> None:
    first, second = marginal_counts(np.array([4, 2, 1, 8, 10, 5]), (2, 3))
    assert first.tolist() == [7, 23] and second.tolist() == [12, 12, 6]
