from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from orchestrator.core.errors import TrainableError
from trainables.losses.objective import build_objective
from trainables.network.network import build_network
from trainables.network.torchvision_ops import timm
from trainables.optimisation.optim import Schedule, build_optimizer
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
    network = build_network(full, build_objective(full, [3], [False], None))
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


def backbone_rates(**config: Any) -> tuple[dict[str, float], torch.optim.Optimizer]:
    """The learning rate of each of the backbone's parameters."""
    network, optimizer = network_optimizer(**config)
    of = {id(weight): float(group["lr"]) for group in optimizer.param_groups for weight in group["params"]}
    return {name: of[id(weight)] for name, weight in network.backbone.named_parameters()}, optimizer


def test_each_layer_below_the_top_learns_at_layer_decay_times_the_one_above() -> None:
    rates, _ = backbone_rates(layer_decay=0.5, lr=0.16)
    above = {"conv1.": 4, "bn1.": 4, "layer1.": 3, "layer2.": 2, "layer3.": 1, "layer4.": 0}
    for name, rate in rates.items():
        depth = next(depth for prefix, depth in above.items() if name.startswith(prefix))
        assert rate == pytest.approx(0.16 * 0.5**depth), name


def test_layer_decay_leaves_the_head_and_weight_decay_as_they_were() -> None:
    network, optimizer = network_optimizer(lr=0.1, head_lr_mult=10.0, weight_decay=0.3, layer_decay=0.7)
    of = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    assert len(of) == len(list(network.parameters()))
    assert of[id(network.head.linear.weight)]["lr"] == pytest.approx(1.0)
    for weight in network.parameters():
        assert of[id(weight)]["weight_decay"] == (0.3 if weight.ndim > 1 else 0.0)
    assert optimizer.param_groups[0]["lr"] == 0.1  # the rate that is reported is the backbone's highest


def test_without_layer_decay_the_groups_are_backbone_and_head() -> None:
    network, optimizer = network_optimizer(lr=0.1, head_lr_mult=2.0)
    parts = [list(network.backbone.parameters()), list(network.head.parameters())]
    expected = [[w for w in part if (w.ndim > 1) is matrix] for part in parts for matrix in (True, False)]
    assert [[id(w) for w in group["params"]] for group in optimizer.param_groups] == [
        [id(w) for w in group] for group in expected
    ]
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1, 0.2, 0.2]


STEMS = {
    "resnet50": "conv1.weight",
    "resnext50_32x4d": "conv1.weight",
    "efficientnet_b0": "conv_stem.weight",
    "vit_tiny_patch16_224": "patch_embed.proj.weight",
    "vgg16_bn": "features.0.weight",
    "swin_tiny_patch4_window7_224": "patch_embed.proj.weight",
}


@pytest.mark.parametrize("name", STEMS)
def test_rates_fall_with_depth_in_every_family_of_backbones(name: str) -> None:
    with torch.device("meta"):
        backbone = timm.create_model(name, num_classes=0)
    network = SimpleNamespace(backbone=backbone, head=torch.nn.Linear(2, 2))
    optimizer = build_optimizer(cast(Any, network), completed({"layer_decay": 0.8, "lr": 1.0}))
    of = {id(weight): float(group["lr"]) for group in optimizer.param_groups for weight in group["params"]}
    rates = {part: of[id(weight)] for part, weight in backbone.named_parameters()}
    layers = len(set(rates.values()))
    assert layers > 8 and max(rates.values()) == 1.0
    assert rates[STEMS[name]] == min(rates.values()) == pytest.approx(0.8 ** (layers - 1))


def test_a_backbone_without_known_layers_is_refused() -> None:
    network = SimpleNamespace(backbone=torch.nn.Linear(2, 2), head=torch.nn.Linear(2, 2))
    with pytest.raises(TrainableError, match=r"layer_decay=0.5.*resnet18"):
        build_optimizer(cast(Any, network), completed({"layer_decay": 0.5}))


@pytest.mark.parametrize("scheduler", ["cosine", "step", "constant", "plateau", "warm_restarts"])
def test_a_schedule_scales_the_rates_of_all_layers_alike(scheduler: str) -> None:
    _, optimizer = backbone_rates(layer_decay=0.01, lr=1e-3)
    peaks = [group["lr"] for group in optimizer.param_groups]
    config = completed({"scheduler": scheduler, "step_size": 1.0, "warmup_epochs": 1.0})
    schedule = Schedule(optimizer, config, STEPS, EPOCHS)
    for epoch in range(EPOCHS):
        for step in range(STEPS):
            shares = [group["lr"] / peak for group, peak in zip(optimizer.param_groups, peaks, strict=True)]
            assert shares == pytest.approx([shares[0]] * len(shares))
            schedule.after_step(epoch * STEPS + step + 1)
        schedule.after_epoch(epoch + 1, 1.0)
    assert (shares[0] < 0.9) is (scheduler != "constant")
