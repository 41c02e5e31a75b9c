"""Weights of two bytes: what is stored is what was scored, and training does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

from orchestrator.core.dataset import Dataset
from tests.support.drawn_images import ONE_CPU, SMALL, classifier
from trainables.image_classifier import ImageClassifier
from trainables.inference import build_trained
from trainables.network.stored_weights import as_stored, stored

pytestmark = pytest.mark.torch

HALVES = ("float16", "bfloat16")


def a_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(4)).eval()


def numbers(network: nn.Module) -> list[Any]:
    return [tensor.clone() for tensor in network.state_dict().values()]


@pytest.mark.parametrize("dtype", HALVES)
def test_inside_the_network_holds_what_is_stored_and_afterwards_what_it_had(dtype: str) -> None:
    network, images = a_network(), torch.rand(2, 3, 6, 6)
    network(images)
    before, own = numbers(network), network(images)
    with pytest.raises(KeyError), as_stored(network, dtype):
        inside = network(images)
        kept = stored(network, dtype)
        raise KeyError
    assert all(map(torch.equal, before, numbers(network))) and torch.equal(own, network(images))
    assert not torch.equal(inside, own)
    assert all(map(torch.equal, stored(network, dtype).values(), kept.values()))
    network.load_state_dict(stored(network, dtype))
    assert torch.equal(network(images), inside)


@pytest.mark.parametrize("dtype", HALVES)
def test_filters_and_matrices_take_two_bytes_and_statistics_stay_as_they_are(dtype: str) -> None:
    network = a_network()
    network(torch.rand(2, 3, 6, 6))
    network[1].running_var.fill_(1e9)  # type: ignore[union-attr,operator]  beyond float16
    network[1].running_mean.fill_(1e-30)  # type: ignore[union-attr,operator]
    kept = stored(network, dtype)
    assert {name for name, value in kept.items() if value.itemsize == 2} == {"0.weight", "3.weight"}
    assert kept["1.running_var"][0] == 1e9 and kept["1.running_mean"][0] == np.float32(1e-30)
    assert kept["1.num_batches_tracked"].dtype == torch.int64


def test_a_tensor_beyond_the_range_of_float16_stays_float32_and_is_validated_so() -> None:
    network, images = a_network(), torch.rand(2, 3, 6, 6)
    network(images)
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = 7e4  # type: ignore[index,operator]
    kept = stored(network, "float16")
    assert kept["0.weight"].dtype == torch.float32 and kept["3.weight"].dtype == torch.float16
    assert stored(network, "bfloat16")["0.weight"].dtype == torch.bfloat16
    with as_stored(network, "float16"):
        inside = network(images)
    network.load_state_dict(kept)
    assert torch.isfinite(inside).all() and torch.equal(network(images), inside)


def test_float32_copies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = a_network()
    network(torch.rand(2, 3, 6, 6))
    monkeypatch.setattr(torch.Tensor, "clone", None)
    with as_stored(network, "float32"):
        pass
    assert all(
        torch.equal(value, network.state_dict()[name]) for name, value in stored(network, "float32").items()
    )


@pytest.mark.parametrize("more", [{}, {"ema_decay": 0.5}, {"validation_repeats": 1, "tta": "flip"}])
@pytest.mark.parametrize("dtype", HALVES)
def test_out_of_fold_probabilities_are_those_of_the_stored_weights(
    dataset: Dataset, dtype: str, more: dict[str, Any]
) -> None:
    """Within the 1e-6 that batches of another size make, as of float32 weights."""
    config = {"weights_dtype": dtype, **more}
    run, whole = classifier(dataset, **config), classifier(dataset, **more)
    for _ in range(2):
        told, as_float32 = run.run_epoch(), whole.run_epoch()
    assert told["loss_train"] == as_float32["loss_train"], "training goes on with what it had"
    assert told["loss_val"] != as_float32["loss_val"]
    weights = run.weights()
    assert len(weights) < 0.52 * len(whole.weights())
    predictor = ImageClassifier.load_predictor(weights, {**SMALL, **config}, 3, ONE_CPU)
    paths = [str(Path(dataset.root) / dataset.paths[row]) for row in dataset.validation_rows(0)]
    network, _ = build_trained(weights, run._config, 3)  # what is exported as ONNX, too
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    tta = str(more.get("tta", "none"))
    assert np.abs(predictor.predict(paths, tta) - run.probabilities()).max() < 1e-6
    both = (ImageClassifier.load_predictor(whole.weights(), {**SMALL, **more}, 3, ONE_CPU)).predict(
        paths, tta
    )
    assert np.abs(both - run.probabilities()).max() > 1e-6, "so the test would notice"


def test_continuing_is_as_exact_as_of_float32(dataset: Dataset) -> None:
    whole, first = (classifier(dataset, weights_dtype="float16") for _ in range(2))
    first.run_epoch()
    state = first.state()
    whole.run_epoch()
    again = classifier(dataset, weights_dtype="float16")
    again.load_state(state)
    ignored = {"images_per_second"}
    one, other = whole.run_epoch(), again.run_epoch()
    assert {k: v for k, v in one.items() if k not in ignored} == {
        k: v for k, v in other.items() if k not in ignored
    }
    assert (whole.probabilities() == again.probabilities()).all()
    assert load(whole.weights()).keys() == load(again.weights()).keys() and whole.weights() == again.weights()
