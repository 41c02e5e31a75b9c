"""check_trainable says in words what is wrong with a trainable, and is silent where nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from orchestrator.core.errors import TrainableError
from orchestrator.core.fold_data import FoldData, Rows
from orchestrator.core.own_trainable import BaseTrainable, Epoch, trainable
from orchestrator.core.trainable import Parameter, load_trainable
from orchestrator.testing import ToyTrainable, check_trainable
from orchestrator.testing.toy import read_pixels
from tests.pixel_trainable import PixelTrainable


def centres(data: FoldData) -> np.ndarray:
    pixels = read_pixels(data.paths)
    return np.stack([pixels[data.labels == label].mean(axis=0) for label in range(len(data.classes))])


def nearest(rows: Rows, means: np.ndarray) -> np.ndarray:
    distance = ((read_pixels(rows.paths)[:, None] - means) ** 2).sum(axis=2)
    shares = np.exp(-distance)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@trainable()
def centre(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
    means = centres(data)
    for _ in range(data.max_epochs):
        yield nearest(data.validation, means)


@trainable()
def predicting(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
    means = centres(data)
    for _ in range(data.max_epochs):
        yield Epoch(nearest(data.validation, means), weights={"means": means})


@predicting.predictor
def from_means(weights: Mapping[str, np.ndarray], rows: Rows, config: dict[str, Any]) -> np.ndarray:
    return nearest(rows, weights["means"])


@pytest.mark.parametrize(
    "whole", [ToyTrainable, PixelTrainable, predicting, "orchestrator.testing:ToyTrainable"]
)
def test_a_sound_trainable_leaves_nothing_to_say(whole: Any) -> None:
    assert check_trainable(whole) == []


def test_a_class_whose_method_is_misspelt_is_refused_wherever_it_is_loaded() -> None:
    refusal = "Misspelt'? lacks predict, train_epoch; see orchestrator.core.own_trainable.BaseTrainable"
    with pytest.raises(TrainableError, match=refusal):
        check_trainable(Misspelt)
    with pytest.raises(TrainableError, match=refusal):
        load_trainable(f"{__name__}:Misspelt")


class Misspelt(BaseTrainable):
    def begin(self, data: FoldData) -> None:
        pass

    def train_epochs(self, data: FoldData, epoch: int) -> None:
        pass


def test_what_is_left_out_is_noted_and_no_fault() -> None:
    (note,) = check_trainable(centre)
    assert note.startswith("centre cannot predict new images: it gives no predictor; write one")


def fault_of(broken: Any, **config: Any) -> str:
    with pytest.raises(TrainableError) as caught:
        check_trainable(broken, config)
    return str(caught.value)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda found: found[:-2], r"its shape is (16, 3) where (18, 3) was due"),
        (lambda found: found[:, :2], r"its shape is (18, 2) where (18, 3) was due"),
        (lambda found: np.where(np.arange(18)[:, None] == 5, np.nan, found), "1 of 18 rows (5: "),
        (lambda found: np.where(np.arange(18)[:, None] > 12, 2 * found, found), "5 of 18 rows (13: "),
        (lambda found: found - 2, "18 of 18 rows (0: "),
    ],
)
def test_a_wrong_prediction_says_what_is_wrong_and_in_which_rows(change: Any, words: str) -> None:
    @trainable()
    def broken(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
        for found in centre._train(data, config):
            yield change(found)

    said = fault_of(broken)
    assert "the prediction is wrong: " in said and words in said
    assert ("shape" in said) + ("not finite" in said) + ("sum not to 1" in said) + ("negative" in said) == 1


def test_a_draw_that_does_not_follow_from_the_seed_is_found() -> None:
    class Unseeded(ToyTrainable):
        def begin(self, data: FoldData) -> None:
            super().begin(data)
            self._weights += np.random.default_rng().normal(size=self._weights.shape)

    assert "the same seed gave other predictions in epoch 1" in fault_of(Unseeded)


def test_a_state_that_does_not_continue_is_found() -> None:
    class Forgetful(ToyTrainable):
        def load_state_arrays(self, state: Mapping[str, np.ndarray]) -> None:
            return

    class Halting(ToyTrainable):
        load_state_arrays = BaseTrainable.load_state_arrays

    said = fault_of(Forgetful)
    assert "continued from its state after epoch 1 it predicted otherwise in epoch 2" in said
    assert "does not continue from its state" in fault_of(Halting)


def test_a_generator_that_ignores_where_to_start_is_found() -> None:
    @trainable()
    def restarting(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
        means = centres(data)
        for epoch in range(data.max_epochs):
            yield Epoch(nearest(data.validation, (1 + epoch) * means), state={"means": means})

    assert "continued from its state after epoch 1 it predicted otherwise" in fault_of(restarting)


class Peeking(PixelTrainable):
    """Normalises by the mean of every row of the data set, those of its own fold among them."""

    def __init__(self, dataset: Any, fold: int, *rest: Any) -> None:
        super().__init__(dataset, fold, *rest)
        self._pixels -= self._pixels.mean(axis=0)

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {"lr": Parameter(0.5)}


class LabelPeeking(ToyTrainable):
    def begin(self, data: FoldData) -> None:
        super().begin(data)
        self._weights[-1, 0] += 0.01 * self._dataset.labels.mean()


def test_validation_rows_that_reach_training_are_found() -> None:
    assert "with other images in half of the validation rows" in fault_of(Peeking)
    assert "with other labels for the validation rows" in fault_of(LabelPeeking)


def test_weights_that_lack_something_are_found() -> None:
    class Partial(ToyTrainable):
        def save(self) -> Mapping[str, Any]:
            return {"weights": self._weights * 0.5}

        def save_state(self) -> Mapping[str, Any]:
            return {"weights": self._weights}

    assert "its predictor, from the weights of the last epoch, answers" in fault_of(Partial)


def test_a_parameter_that_is_not_declared_and_a_default_that_is_not_allowed_are_found() -> None:
    class Choosy(ToyTrainable):
        declared: ClassVar[Mapping[str, Any]] = {"lr": Parameter(0.1, choices=(0.2,))}

    assert "parameters() has no 'rate'" in fault_of(ToyTrainable, rate=1.0)
    assert "the default of lr is 0.1, none of its choices" in fault_of(Choosy)
