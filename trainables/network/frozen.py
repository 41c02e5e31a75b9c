"""A timm backbone that describes images and learns nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import nn

from orchestrator.core.errors import WeightsError
from trainables.network.network import (
    Network,
    build_backbone,
    check_backbone,
    features_of,
    load_backbone,
    normalisation,
)
from trainables.network.torchvision_ops import timm

HUB = "hub"


@dataclass(frozen=True)
class FrozenBackbone:
    network: nn.Module  # uint8 images (B, 3, H, W) -> embeddings (B, width)
    width: int  # numbers in an embedding
    size: tuple[int, int]  # (H, W) in pixels, of the images that its weights were made with
    digest: str  # SHA-256 (hex) of its name and every tensor it computes with


def frozen_backbone(name: str, pretrained: bool | str) -> FrozenBackbone:
    """pretrained: a .safetensors file of this timm model; True or "hub": timm's own weights, downloaded.

    Random weights are refused: what they say of images would pass for a finding. Raises TrainableError,
    WeightsError.
    """
    if not pretrained:
        raise WeightsError(
            f"pretrained={pretrained!r}: backbone {name!r} describes images only with weights that were "
            "trained; give a .safetensors file of it, or hub"
        )
    check_backbone(name)
    size = _size_of(name)
    config = {"backbone": name, "image_size": f"{size[0]}x{size[1]}", "drop_path": 0.0}
    from_hub = pretrained is True or pretrained == HUB
    with torch.random.fork_rng(devices=[]):  # building draws weights; nobody else's draws must shift
        backbone = build_backbone(config, from_hub)
    if not from_hub:
        load_backbone(backbone, str(pretrained), name)
    network = Network(backbone, nn.Flatten(), *(torch.tensor(part) for part in normalisation(backbone)))
    network.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return FrozenBackbone(network, features_of(backbone), size, _digest(name, network))


def _size_of(name: str) -> tuple[int, int]:
    card = timm.get_pretrained_cfg(name)
    height, width = tuple(card.input_size)[1:] if card is not None else (224, 224)
    return int(height), int(width)


def _digest(name: str, network: nn.Module) -> str:
    digest = hashlib.sha256(name.encode())
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for key in sorted(tensors):
        tensor = tensors[key].detach().contiguous().cpu()
        digest.update(f"\n{key} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
