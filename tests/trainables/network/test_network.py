from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from orchestrator.core.errors import TrainableError, WeightsError
from trainables.losses.objective import build_objective
from trainables.network import hub
from trainables.network.heads import LinearHead
from trainables.network.network import Network, build_network
from trainables.network.torchvision_ops import timm
from trainables.parameters import completed

SHARED_WEIGHTS = Path(__file__).parents[4] / "shared" / "weights" / "tf_efficientnet_lite0.safetensors"


def network(classes: int = 3, **config: Any) -> Network:
    torch.manual_seed(0)
    full = completed({"backbone": "test_resnet", "image_size": 32, **config})
    return build_network(full, build_objective(full, [classes], [False], None))


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a whole timm model, its classifier of 1000 classes included."""
    torch.manual_seed(1)
    path = Path(tmp_path_factory.mktemp("weights")) / "test_resnet.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=1000).state_dict(), path)
    return path


def test_a_xavier_head_is_glorot_uniform_without_bias() -> None:
    torch.manual_seed(0)
    head = LinearHead(300, 100)
    bound = (6 / 400) ** 0.5
    weight = head.linear.weight.detach()
    assert float(weight.abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not head.linear.bias.any()
    assert LinearHead(300, 100, init="default").linear.bias.any()


def test_a_head_drops_features_in_training_only() -> None:
    torch.manual_seed(0)
    head = LinearHead(50, 3, dropout=0.5)
    features = torch.ones(1, 50)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


def test_pixels_are_normalised_as_the_backbone_was_trained() -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    for name in ("test_resnet", "tf_efficientnet_lite0"):
        built = network(backbone=name)
        built.backbone = torch.nn.Flatten()
        built.head = torch.nn.Identity()
        card = timm.get_pretrained_cfg(name)
        mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (card.mean, card.std))
        expected = (images / 255 - mean) / std
        assert torch.allclose(built(images), expected.flatten(1), atol=1e-5)
    assert torch.allclose(built(images), (images / 127.5 - 1).flatten(1), atol=1e-5)  # lite0's own


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "mobilenetv3_small_050"])
def test_any_kind_of_backbone_gives_logits(name: str) -> None:
    built = network(classes=5, backbone=name, image_size=64).eval()
    assert built(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).shape == (2, 5)


def test_a_backbone_without_stochastic_depth_ignores_drop_path() -> None:
    assert network(backbone="dla46_c", drop_path=0.2) is not None


def test_a_frozen_backbone_stands_still_with_its_statistics() -> None:
    built = network()
    built.freeze_backbone(True)
    built.train()
    before = {key: value.clone() for key, value in built.backbone.state_dict().items()}
    built(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)).sum().backward()
    assert all(weight.grad is None for weight in built.backbone.parameters())
    assert built.head.linear.weight.grad is not None
    assert all(torch.equal(before[key], value) for key, value in built.backbone.state_dict().items())
    built.freeze_backbone(False)
    built.train()
    assert built.backbone.training and all(w.requires_grad for w in built.backbone.parameters())


def test_an_unknown_backbone_is_refused_with_the_closest_name() -> None:
    with pytest.raises(TrainableError, match=r"backbone='resnet81'.*resnet18"):
        network(backbone="resnet81")
    with pytest.raises(TrainableError, match="no_such_tag"):
        network(backbone="resnet18.no_such_tag")


def test_local_weights_fill_the_backbone_and_leave_the_head(weights_file: Path) -> None:
    built = network(pretrained=str(weights_file))
    torch.manual_seed(1)
    source = timm.create_model("test_resnet", num_classes=1000)
    for key, value in built.backbone.state_dict().items():
        assert torch.equal(value, source.state_dict()[key]), key
    assert built.head.linear.weight.shape == (3, source.num_features)


@pytest.mark.parametrize("other", ["test_efficientnet", "resnet10t"])
def test_weights_of_another_backbone_are_refused(weights_file: Path, other: str) -> None:
    with pytest.raises(WeightsError, match=f"does not fit backbone '{other}'"):
        network(backbone=other, pretrained=str(weights_file))


def test_weights_with_one_tensor_missing_are_refused_by_its_name(weights_file: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(weights_file)
    del tensors["layer1.0.conv1.weight"]
    save_file(tensors, tmp_path / "torn.safetensors")
    with pytest.raises(WeightsError, match=r"1 missing \(such as layer1.0.conv1.weight\)"):
        network(pretrained=str(tmp_path / "torn.safetensors"))


def test_a_missing_or_broken_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        network(pretrained=str(tmp_path / "gone.safetensors"))
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(WeightsError, match="not a readable"):
        network(pretrained=str(tmp_path / "text.safetensors"))


def test_a_hub_that_does_not_answer_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: Any, timeout: float, **__: Any) -> None:
        assert timeout <= 10
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(WeightsError, match=r"cannot be downloaded.*\n.*--set pretrained=PATH"):
        network(backbone="resnet18", pretrained=True)


def test_weights_in_the_hubs_cache_need_no_hub(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(weights_file))
    assert hub.weights_options("test_resnet") == {"pretrained_cfg_overlay": {"file": str(weights_file)}}
    cached, local = network(pretrained=True), network(pretrained=str(weights_file))
    for key, value in local.backbone.state_dict().items():
        assert torch.equal(cached.backbone.state_dict()[key], value), key


def test_a_backbone_without_weights_in_timm_is_refused() -> None:
    with pytest.raises(WeightsError, match="no weights for backbone"):
        network(backbone="resnet50_clip_gap", pretrained=True) if not _has_weights() else network(
            backbone="vit_base_patch16_18x2_224", pretrained=True
        )


def _has_weights() -> bool:
    card = timm.get_pretrained_cfg("resnet50_clip_gap")
    return card is not None and bool(card.has_weights)


@pytest.mark.skipif(not SHARED_WEIGHTS.exists(), reason=f"{SHARED_WEIGHTS} is not there")
def test_real_imagenet_weights_load_and_see_images_differently() -> None:
    built = network(backbone="tf_efficientnet_lite0", pretrained=str(SHARED_WEIGHTS)).eval()
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (4, 3, 64, 64), dtype=np.uint8))
    with torch.no_grad():
        features = built.backbone(images.float() * built.scale + built.shift)
    assert features.shape == (4, 1280) and float(features.std(dim=0).mean()) > 0.01
