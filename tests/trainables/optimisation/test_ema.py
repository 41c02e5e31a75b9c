from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainables.optimisation.ema import Average


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Linear(8, 3))


def train_step(network: nn.Module, step: int) -> None:
    inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
    network.zero_grad()
    network(inputs).square().mean().backward()
    with torch.no_grad():
        for weight in network.parameters():
            assert weight.grad is not None
            weight -= 0.5 * weight.grad


def run(network: nn.Module, average: Average, first: int, last: int) -> list[dict[str, Tensor]]:
    """Steps first..last (from 1); the network's own state after each."""
    states = []
    for step in range(first, last + 1):
        train_step(network, step)
        average.update(step)
        states.append({name: value.clone() for name, value in network.state_dict().items()})
    return states


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_the_average_is_that_of_the_formula_buffers_as_well(decay: float) -> None:
    network = small_network()
    average = Average(network, decay)
    expected = {name: value.double().clone() for name, value in network.state_dict().items()}
    for step, state in enumerate(run(network, average, 1, 30), start=1):
        rate = min(decay, (1 + step) / (10 + step))
        expected = {name: rate * old + (1 - rate) * state[name].double() for name, old in expected.items()}
    for name, value in average.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value.double(), expected[name], atol=1e-5), name
            assert not torch.equal(value, network.state_dict()[name]), name
    assert int(average.network[1].num_batches_tracked) == 30


def test_the_average_lags_behind_a_weight_that_rises() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, 0.75)
    for step in range(1, 101):
        nn.init.constant_(network.weight, float(step))
        average.update(step)
    # behind by decay / (1 - decay) steps once the start is forgotten
    assert float(average.network.weight) == pytest.approx(100 - 3, abs=1e-3)


def test_the_random_start_is_soon_forgotten() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1000.0)
    average = Average(network, 0.9999)
    nn.init.zeros_(network.weight)
    for step in range(1, 31):
        average.update(step)
    assert 0.0 < float(average.network.weight) < 1e-3  # a decay of 0.9999 from the start would leave 997


def test_the_averaged_network_is_its_own_and_evaluates() -> None:
    network = small_network()
    average = Average(network, 0.9)
    assert not average.network.training and network.training
    assert not any(weight.requires_grad for weight in average.network.parameters())
    assert all(weight.requires_grad for weight in network.parameters())
    own = {weight.data_ptr() for weight in network.parameters()}
    assert not own & {weight.data_ptr() for weight in average.network.parameters()}


def test_a_continued_average_equals_the_uninterrupted_one_bit_for_bit() -> None:
    whole, whole_average = (network := small_network()), Average(network, 0.9)
    run(whole, whole_average, 1, 20)

    first, first_average = (network := small_network()), Average(network, 0.9)
    run(first, first_average, 1, 8)
    buffer = io.BytesIO()
    torch.save({"network": first.state_dict(), "average": first_average.state_dict()}, buffer)
    buffer.seek(0)
    state: dict[str, Any] = torch.load(buffer, weights_only=True)

    second, second_average = (network := small_network()), Average(network, 0.9)
    second.load_state_dict(state["network"])
    second_average.load_state_dict(state["average"])
    run(second, second_average, 9, 20)
    expected = whole_average.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in second_average.state_dict().items())
