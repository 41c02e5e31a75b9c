from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from orchestrator.errors import TrainableError
from trainables.models import build_network
from trainables.optim import Schedule, build_optimizer
from trainables.parameters import completed

STEPS, EPOCHS = 10, 6


def rates(losses: list[float] | None = None, **config: Any) -> list[float]:
    """The learning rate used in each step, for a training loss given for each epoch."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = Schedule(optimizer, completed(config), STEPS, EPOCHS)
    used = []
    for epoch in range(EPOCHS):
        for step in range(STEPS):
            used.append(float(optimizer.param_groups[0]["lr"]))
            schedule.after_step(epoch * STEPS + step + 1)
        schedule.after_epoch(epoch + 1, (losses or [1.0] * EPOCHS)[epoch])
    return used


def test_cosine_falls_from_lr_to_nothing_over_the_whole_run() -> None:
    expected = [0.5 * (1 + math.cos(math.pi * step / 60)) for step in range(60)]
    assert rates(scheduler="cosine") == pytest.approx(expected)


def test_step_drops_by_gamma_every_step_size_epochs() -> None:
    assert rates(scheduler="step", step_size=2.0, gamma=0.1) == pytest.approx(
        [1.0] * 20 + [0.1] * 20 + [0.01] * 20
    )


def test_warm_restarts_start_each_cycle_at_gamma_times_the_last_peak() -> None:
    used = rates(scheduler="warm_restarts", step_size=2.0, gamma=0.5)
    assert [used[0], used[20], used[40]] == pytest.approx([1.0, 0.5, 0.25])
    assert used[19] < 0.02 and used[39] < 0.01


def test_constant_stays() -> None:
    assert rates(scheduler="constant") == [1.0] * 60


def test_plateau_drops_once_the_training_loss_stops_falling() -> None:
    used = rates([1.0, 0.5, 0.5, 0.5, 0.5, 0.5], scheduler="plateau", step_size=1.0, gamma=0.1)
    assert used[39] == 1.0  # one epoch without gain is patience, the second drops
    assert used[40:] == pytest.approx([0.1] * 20)
    assert rates([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], scheduler="plateau", step_size=1.0) == [1.0] * 60


@pytest.mark.parametrize("scheduler", ["cosine", "step", "constant", "plateau", "warm_restarts"])
def test_warm_up_rises_evenly_to_the_schedule_it_hands_over_to(scheduler: str) -> None:
    falling = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    plain = rates(falling, scheduler=scheduler, step_size=3.0)
    warmed = rates(falling, scheduler=scheduler, step_size=3.0, warmup_epochs=1.0)
    rise = [b - a for a, b in pairwise(warmed[:10])]
    assert warmed[0] == pytest.approx(0.01) and rise == pytest.approx([rise[0]] * 9)
    assert warmed[10:] == pytest.approx(plain[10:])


def test_plateau_without_a_drop_is_refused() -> None:
    with pytest.raises(TrainableError, match="gamma=1"):
        rates(scheduler="plateau", gamma=1.0)


def network_optimizer(**config: Any) -> tuple[Any, torch.optim.Optimizer]:
    full = completed({"backbone": "test_resnet", "image_size": 32, **config})
    network = build_network(full, classes=3)
    return network, build_optimizer(network, full)


def test_every_weight_is_in_exactly_one_group() -> None:
    network, optimizer = network_optimizer()
    grouped = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
    assert sorted(grouped) == sorted(id(weight) for weight in network.parameters())


def test_decay_is_for_matrices_and_the_head_has_its_own_rate() -> None:
    network, optimizer = network_optimizer(lr=0.1, head_lr_mult=10.0, weight_decay=0.3)
    of = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    assert of[id(network.head.linear.weight)]["lr"] == pytest.approx(1.0)
    assert of[id(network.head.linear.weight)]["weight_decay"] == 0.3
    assert of[id(network.head.linear.bias)]["weight_decay"] == 0.0
    for weight in network.backbone.parameters():
        group = of[id(weight)]
        assert (group["lr"], group["weight_decay"]) == (0.1, 0.3 if weight.ndim > 1 else 0.0)


@pytest.mark.parametrize(
    "name, kind", [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_an_optimizer_is_torchs_own(name: str, kind: type) -> None:
    assert type(network_optimizer(optimizer=name)[1]) is kind


def test_an_unknown_optimizer_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="optimizer='lion'"):
        network_optimizer(optimizer="lion")
