from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from trainables.optimisation.sam import SharpnessAware, frozen_statistics


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def backward(network: nn.Module, scale: float = 1.0) -> None:
    inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    loss = nn.functional.cross_entropy(network(inputs), torch.arange(16) % 3)
    (loss * scale).backward()  # type: ignore[no-untyped-call]


def weights(network: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in network.parameters()]


def test_a_climb_goes_rho_far_along_the_gradient_and_returns_bit_for_bit() -> None:
    network = small_network()
    before = weights(network)
    sharp = SharpnessAware(network.parameters(), rho=0.7)
    backward(network)
    gradient = torch.cat(
        [weight.grad.flatten() for weight in network.parameters() if weight.grad is not None]
    )
    sharp.ascend()
    step = torch.cat([(b - a).flatten() for a, b in zip(before, weights(network), strict=True)])
    assert float(step.norm()) == pytest.approx(0.7, rel=1e-5)
    assert torch.allclose(step, 0.7 * gradient / gradient.norm(), atol=1e-6)
    assert all(weight.grad is None for weight in network.parameters())
    sharp.return_back()
    assert all(torch.equal(a, b) for a, b in zip(before, weights(network), strict=True))


def test_the_step_follows_the_gradient_from_uphill() -> None:
    """For w^2 / 2 the gradient at w is w, and uphill of 2 by 0.5 it is 2.5."""
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer, sharp = torch.optim.SGD([weight], lr=0.1), SharpnessAware([weight], rho=0.5)
    (weight**2 / 2).sum().backward()
    sharp.ascend()
    (weight**2 / 2).sum().backward()
    sharp.return_back()
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 - 0.1 * 2.5)


def test_a_loss_scale_makes_no_difference_to_the_climb() -> None:
    ends = []
    for scale in (1.0, 2.0**16):
        network = small_network()
        backward(network, scale)
        SharpnessAware(network.parameters(), rho=0.1).ascend()
        ends.append(weights(network))
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
def test_without_a_direction_there_is_no_climb(value: float) -> None:
    network = small_network()
    before = weights(network)
    sharp = SharpnessAware(network.parameters(), rho=0.5)
    for weight in network.parameters():
        weight.grad = torch.full_like(weight, value)
    sharp.ascend()
    assert all(torch.equal(a, b) for a, b in zip(before, weights(network), strict=True))
    sharp.return_back()


def test_a_frozen_parameter_does_not_move() -> None:
    network = small_network()
    network[0].requires_grad_(False)
    before = weights(network)
    sharp = SharpnessAware(network.parameters(), rho=0.5)
    backward(network)
    sharp.ascend()
    moved = [not torch.equal(a, b) for a, b in zip(before, weights(network), strict=True)]
    assert moved == [False, False, True, True, True, True]


def test_two_climbs_in_a_row_are_a_mistake() -> None:
    network = small_network()
    sharp = SharpnessAware(network.parameters(), rho=0.5)
    backward(network)
    sharp.ascend()
    with pytest.raises(RuntimeError, match="twice"):
        sharp.ascend()


def test_a_second_pass_leaves_running_statistics_and_normalises_as_training_does() -> None:
    network = small_network()
    inputs = torch.randn(16, 4)
    before = {name: value.clone() for name, value in network.named_buffers()}
    with frozen_statistics(network):
        frozen = network(inputs)
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert torch.equal(frozen, network(inputs))  # the batch's own statistics, not the running ones
    assert not any(torch.equal(value, before[name]) for name, value in network.named_buffers())


def test_a_batch_norm_in_evaluation_keeps_using_its_running_statistics() -> None:
    network = small_network().eval()
    inputs = torch.randn(16, 4)
    expected = network(inputs)
    with frozen_statistics(network):
        assert torch.equal(network(inputs), expected)
