from __future__ import annotations

import pytest
import torch

from tests.support.drawn_images import SMALL
from trainables import device_estimate
from trainables.device_estimate import CONTEXT, MARGIN, network_bytes
from trainables.parameters import completed

pytestmark = pytest.mark.torch


def estimate(**config: object) -> int:
    return network_bytes(completed({**SMALL, **config}), 3) - CONTEXT


def test_it_grows_with_batch_and_pixels_and_with_what_the_optimizer_keeps() -> None:
    base = estimate(optimizer="sgd")
    assert estimate(optimizer="sgd", batch_size=24) > 1.3 * base
    assert estimate(optimizer="sgd", image_size=64) > 1.5 * base
    sgd, adam = base, estimate(optimizer="adamw")
    more = [estimate(optimizer="sgd", **given) for given in ({"ema_decay": 0.9}, {"sam_rho": 0.05})]
    assert sgd < adam and all(sgd < item for item in more)


def test_it_is_no_less_than_what_a_step_holds() -> None:
    """resnet18 at 224 pixels, batch 64: 45 MB of weights four times, 1.4 GB of activations in float32."""
    found = network_bytes(completed({"backbone": "resnet18", "image_size": 224, "batch_size": 64}), 3)
    assert found > CONTEXT + MARGIN * (4 * 44.7e6 + 1.4e9)
    assert found < 4e9


def test_a_network_whose_shapes_do_not_tell_leaves_the_rule_to_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def looks(*_: object) -> None:
        torch.empty(1, device="meta").item()

    monkeypatch.setattr(device_estimate, "shapes_of", looks)
    assert network_bytes(completed(SMALL), 3) == 0
