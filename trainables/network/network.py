"""A timm backbone under a head, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from orchestrator.core.errors import TrainableError, WeightsError
from orchestrator.core.text import suggestion
from orchestrator.core.trainable import Config
from trainables.images.preprocess import size_of
from trainables.losses.objective import AnyObjective
from trainables.network import hub
from trainables.network.heads import build_head
from trainables.network.torchvision_ops import timm


class Network(nn.Module):
    """uint8 images (B, 3, H, W) -> outputs that an objective understands. Normalisation, backbone, head.

    The mean and standard deviation are the backbone's own (timm's pretrained configuration), never measured
    on the data: nothing of a validation row can reach the weights through them.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.frozen = False
        # persistent=False: they follow from the backbone's name, not from training
        self.register_buffer("scale", 1.0 / (255.0 * std.view(1, 3, 1, 1)), persistent=False)
        self.register_buffer("shift", -(mean / std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.backbone(images.float() * self.scale + self.shift))
        return outputs

    def freeze_backbone(self, frozen: bool) -> None:
        """A frozen backbone takes no gradient, and its BatchNorm and dropout behave as in evaluation."""
        self.frozen = frozen
        self.backbone.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self


def build_network(config: Config, objective: AnyObjective, pretrained: bool | str | None = None) -> Network:
    """The network a (completed) configuration names; `pretrained` None: as the configuration says.

    Draws from torch's global generator. Raises TrainableError, WeightsError.
    """
    source = config["pretrained"] if pretrained is None else pretrained
    backbone = build_backbone(config, from_hub=source is True)
    if isinstance(source, str):
        load_backbone(backbone, source, config["backbone"])
    head = build_head(config, features_of(backbone), objective.widths, objective.coral)
    network = Network(backbone, head, *(torch.tensor(part) for part in normalisation(backbone)))
    layout = torch.channels_last if config["channels_last"] else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    return network


def features_of(backbone: Any) -> int:
    """Numbers that a backbone without classifier gives for an image."""
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)


def check_backbone(name: str) -> None:
    """Raises TrainableError for a name that timm does not know, with the closest names it does."""
    if not timm.is_model(name.partition(".")[0]) or (
        "." in name and not timm.is_model_pretrained(name) and name not in timm.list_pretrained()
    ):
        models = timm.list_models() + timm.list_pretrained()
        hint = suggestion(name, models) or "; timm.list_models() lists the names"
        raise TrainableError(f"backbone={name!r} is not a model of timm {timm.__version__}{hint}")


def build_backbone(config: Config, from_hub: bool) -> Any:
    """The timm model without classifier. Raises TrainableError, WeightsError."""
    name = config["backbone"]
    check_backbone(name)
    options: dict[str, Any] = {"num_classes": 0}
    if (timm.get_pretrained_cfg(name) or timm.models.PretrainedCfg()).fixed_input_size:
        options["img_size"] = size_of(config["image_size"])
    if from_hub:
        options |= {"pretrained": True, **hub.weights_options(name)}
    try:
        return _create(name, options, float(config["drop_path"]))
    except (OSError, RuntimeError, SafetensorError) as error:
        if not from_hub:
            raise
        raise hub.no_download(name, str(error)) from error


def _create(name: str, options: dict[str, Any], drop_path: float) -> Any:
    if drop_path:
        try:
            return timm.create_model(name, drop_path_rate=drop_path, **options)
        except TypeError as error:  # this backbone has no stochastic depth
            if "drop_path_rate" not in str(error):
                raise
    return timm.create_model(name, **options)


def load_backbone(backbone: Any, path: str, name: str) -> None:
    """Loads local safetensors into the backbone, strictly; the classifier's tensors are dropped.

    Raises WeightsError.
    """
    tensors = _without_classifier(_read(path), backbone)
    missing, unexpected, shapes = _differences(backbone.state_dict(), tensors)
    if missing or unexpected or shapes:
        raise WeightsError(
            f"pretrained={path!r} does not fit backbone {name!r}: "
            + "; ".join(
                f"{len(names)} {what} (such as {names[0]})"
                for what, names in (
                    ("missing", missing),
                    ("unexpected", unexpected),
                    ("of another shape", shapes),
                )
                if names
            )
            + "; give the weights of this very timm model, or another backbone"
        )
    backbone.load_state_dict(tensors)


def _read(path: str) -> dict[str, Tensor]:
    file = Path(path).expanduser()
    if not file.is_file():
        raise WeightsError(f"pretrained={path!r}: no such file; give a .safetensors file, True or False")
    try:
        tensors: dict[str, Tensor] = load_file(file)
        return tensors
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"pretrained={path!r} is not a readable .safetensors file ({error})") from error


def _without_classifier(tensors: Mapping[str, Tensor], backbone: Any) -> dict[str, Tensor]:
    classifier = backbone.pretrained_cfg.get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    prefixes = tuple(f"{name}." for name in names)
    return {key: tensor for key, tensor in tensors.items() if not (prefixes and key.startswith(prefixes))}


def _differences(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> tuple[list[str], list[str], list[str]]:
    missing = sorted(set(own) - set(given))
    unexpected = sorted(set(given) - set(own))
    shapes = sorted(key for key in set(own) & set(given) if own[key].shape != given[key].shape)
    return missing, unexpected, shapes


def normalisation(backbone: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, for pixels in [0, 1]."""
    defaults = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # ImageNet's
    card = backbone.pretrained_cfg
    return tuple(card.get("mean") or defaults[0]), tuple(card.get("std") or defaults[1])
