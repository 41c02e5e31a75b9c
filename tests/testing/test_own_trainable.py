"""A generator or a class of one's own as a fold run: what it is given, what it leaves, how it continues."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from orchestrator.core.fold_data import FoldData, Rows
from orchestrator.core.own_trainable import BaseTrainable, Epoch, trainable
from orchestrator.core.trainable import Parameter, Resources
from orchestrator.space import loguniform
from orchestrator.testing import ToyTrainable, toy_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return toy_dataset(tmp_path_factory.mktemp("toy"))


def even(rows: Rows, first: float = 1 / 3) -> np.ndarray:
    return np.repeat([[first, 2 / 3 - first, 1 / 3]], len(rows), axis=0)


def made(cls: Any, dataset: Dataset, epochs: int = 3, **config: Any) -> Any:
    return cls(dataset, 1, config, epochs, 7, Resources(cpus=2))


def test_a_generator_sees_training_rows_and_no_label_of_the_validation_rows(dataset: Dataset) -> None:
    seen: list[FoldData] = []

    @trainable(depth=3)
    def look(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
        seen.append(data)
        assert config == {"depth": 3}
        yield even(data.validation)

    made(look, dataset).run_epoch()
    (data,) = seen
    own, held_out = dataset.training_rows(1), dataset.validation_rows(1)
    assert data.paths == tuple(str(Path(dataset.root) / dataset.paths[row]) for row in own)
    assert data.labels.tolist() == dataset.labels[own].tolist()
    assert data.validation.paths == tuple(str(Path(dataset.root) / dataset.paths[row]) for row in held_out)
    assert set(data.columns) == set(data.validation.columns) == {"size", "group"}, "not the label's column"
    assert data.columns["group"].tolist() == dataset.columns["group"][own].tolist()
    assert (data.classes, data.fold, data.max_epochs, data.seed) == (dataset.classes, 1, 3, 7)
    assert (data.start, data.state, data.resources.cpus) == (0, None, 2)
    assert not any(np.array_equal(value, dataset.labels[held_out]) for value in vars(data).values())


def test_an_epoch_is_scored_here_and_own_metrics_are_noted_beside(dataset: Dataset) -> None:
    @trainable()
    def sure(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
        yield Epoch(even(data.validation, 0.6), metrics={"loss_train": 0.25})

    metrics = made(sure, dataset).run_epoch()
    assert metrics["accuracy"] == pytest.approx(1 / 3) and metrics["macro_f1"] == pytest.approx(1 / 6)
    expected = -(np.log(0.6) + np.log(2 / 3 - 0.6) + np.log(1 / 3)) / 3
    assert metrics["loss_val"] == pytest.approx(expected, rel=1e-5) and metrics["loss_train"] == 0.25


def test_a_score_cannot_be_claimed(dataset: Dataset) -> None:
    @trainable()
    def proud(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
        yield Epoch(even(data.validation), metrics={"macro_f1": 1.0})

    with pytest.raises(TrainableError, match="proud: metric 'macro_f1' is measured here; give yours another"):
        made(proud, dataset).run_epoch()


def counting(log: list[int], gives_state: bool) -> Any:
    @trainable()
    def count(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
        total = 0.0 if data.state is None else float(data.state["total"])
        for epoch in range(data.start, data.max_epochs):
            log.append(epoch)
            total += 0.01 * (epoch + 1)
            state = {"total": total} if gives_state else None
            yield Epoch(even(data.validation, 1 / 3 + total), state=state)

    return count


def continued(cls: Any, dataset: Dataset) -> tuple[Any, list[dict[str, float]]]:
    first = made(cls, dataset)
    first.run_epoch(), first.run_epoch()
    second = made(cls, dataset)
    second.load_state(first.state())
    return second, [second.run_epoch()]


def test_without_a_state_a_fold_run_trains_again_and_says_so_once(
    dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[int] = []
    cls = counting(log, gives_state=False)
    with caplog.at_level(logging.WARNING):
        run, (metrics,) = continued(cls, dataset)
        continued(cls, dataset)
    assert log[:5] == [0, 1, 0, 1, 2] and metrics["epochs_trained_again"] == 2
    assert run.probabilities()[0, 0] == pytest.approx(1 / 3 + 0.06)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and said[0].startswith(
        "count gives no state: a fold run that continues trains again"
    )


def test_with_a_state_a_fold_run_goes_on_where_it_was(
    dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[int] = []
    run, (metrics,) = continued(counting(log, gives_state=True), dataset)
    assert log == [0, 1, 2] and "epochs_trained_again" not in metrics and not caplog.records
    assert run.probabilities()[0, 0] == pytest.approx(1 / 3 + 0.06)


def test_a_generator_that_ends_too_soon_says_how_many_epochs_were_due(dataset: Dataset) -> None:
    @trainable()
    def short(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
        yield even(data.validation)

    run = made(short, dataset)
    run.run_epoch()
    with pytest.raises(TrainableError, match="short ended after 1 of 3 epochs; yield once in each"):
        run.run_epoch()


def test_closing_ends_the_generator(dataset: Dataset) -> None:
    ended: list[bool] = []

    @trainable()
    def holding(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
        try:
            while True:
                yield even(data.validation)
        finally:
            ended.append(True)

    run = made(holding, dataset)
    run.run_epoch()
    run.close()
    assert ended == [True]


def test_declared_parameters_are_defaults_domains_or_parameters() -> None:
    cls = trainable(lr=0.1, depth=3, kind="flat", fast=True, alpha=loguniform(0.01, 1), beta=Parameter(2))(
        even
    )
    found = cls.parameters()
    assert {name: item.types for name, item in found.items() if name != "beta"} == {
        "lr": ("float",), "depth": ("int",), "kind": ("str",), "fast": ("bool",), "alpha": ("float",)
    }  # fmt: skip
    assert found["alpha"].default == pytest.approx(0.1) and found["alpha"].maximum == 1
    assert found["beta"] == Parameter(2)
    with pytest.raises(TrainableError, match=r"parameter lr=\[1, 2\]: give a default"):
        trainable(lr=[1, 2])


def test_an_unknown_parameter_is_refused_with_a_suggestion(dataset: Dataset) -> None:
    with pytest.raises(
        TrainableError, match=r"parameter 'lrr' is not known to ToyTrainable; did you mean lr\?"
    ):
        made(ToyTrainable, dataset, lrr=0.1)


def test_a_former_name_of_a_parameter_still_counts(dataset: Dataset) -> None:
    @trainable(alpha=Parameter(0.1, former="strength"))
    def renamed(data: FoldData, config: dict[str, Any]) -> Iterator[np.ndarray]:
        yield even(data.validation)

    @renamed.predictor
    def predict(weights: Mapping[str, np.ndarray], rows: Rows, config: dict[str, Any]) -> np.ndarray:
        assert config == {"alpha": 0.5}
        return even(rows)

    run = made(renamed, dataset, strength=0.5)
    assert run.config == {"alpha": 0.5}
    run.run_epoch()
    renamed.load_predictor(run.weights(), {"strength": 0.5, "of_an_older_version": 1}, 3).predict(["a.png"])


@pytest.mark.parametrize("value", ["a text", object(), [1, "2"]])
def test_weights_that_are_no_numbers_are_refused(dataset: Dataset, value: object) -> None:
    @trainable()
    def odd(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
        yield Epoch(even(data.validation), weights={"w": value})

    run = made(odd, dataset)
    run.run_epoch()
    with pytest.raises(TrainableError, match=r"odd: weights\['w'\] holds .*, not numbers"):
        run.weights()


@pytest.mark.torch
def test_tensors_and_numbers_travel_as_arrays(dataset: Dataset) -> None:
    torch = pytest.importorskip("torch")

    @trainable(lr=0.1)
    def mixed(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
        weights = {"t": torch.ones(2, 2, requires_grad=True), "n": 3, "a": np.arange(6.0).reshape(2, 3).T}
        yield Epoch(torch.tensor(even(data.validation), requires_grad=True), weights=weights)

    @mixed.predictor
    def predict(weights: Mapping[str, np.ndarray], rows: Rows, config: dict[str, Any]) -> np.ndarray:
        assert weights["t"].tolist() == [[1, 1], [1, 1]] and int(weights["n"]) == 3
        assert weights["a"].tolist() == [[0, 3], [1, 4], [2, 5]] and config == {"lr": 0.2}
        return even(rows)

    run = made(mixed, dataset)
    run.run_epoch()
    predictor = mixed.load_predictor(run.weights(), {"lr": 0.2, "of_an_older_version": 1}, 3)
    progress: list[tuple[int, int]] = []
    found = predictor.predict(["a.png"] * 600, progress=lambda done, total: progress.append((done, total)))
    assert found.shape == (600, 3) and found.dtype == np.float32 and progress == [(512, 600), (600, 600)]
    with pytest.raises(TrainableError, match="mixed knows no test-time augmentation; use tta='none'"):
        predictor.predict(["a.png"], tta="flip")


def test_a_class_needs_three_methods_and_is_told_of_a_fourth(dataset: Dataset) -> None:
    class Half(BaseTrainable):
        def begin(self, data: FoldData) -> None:
            self.done = 0

        def train_epoch(self, data: FoldData, epoch: int) -> dict[str, float]:
            self.done += 1
            return {"loss_train": 1.0 / self.done}

        def predict(self, rows: Rows) -> np.ndarray:
            return even(rows)

        def save_state(self) -> Mapping[str, Any]:
            return {"done": self.done}

    run = made(Half, dataset)
    assert run.run_epoch()["loss_train"] == 1.0
    again = made(Half, dataset)
    again.load_state(run.state())
    with pytest.raises(TrainableError, match="Half has save_state but no load_state_arrays; write both"):
        again.run_epoch()
