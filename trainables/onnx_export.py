"""A trained network as ONNX: pixels in, probabilities out, and what pixels have to be before."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config
from trainables.images.pixels import ground_of
from trainables.images.preprocess import parse_preprocess, size_of
from trainables.inference import build_trained
from trainables.losses.objective import AnyObjective
from trainables.network.network import Network


class Probabilities(nn.Module):
    """images (B, 3, H, W), float32 from 0 to 255 -> probabilities (B, C), float32; normalised inside."""

    def __init__(self, network: Network, objective: AnyObjective) -> None:
        super().__init__()
        self._network, self._objective = network, objective

    def forward(self, images: Tensor) -> Tensor:
        return self._objective.probabilities(self._network(images).float()).float()


def export_onnx(weights: bytes, config: Config, classes: int, path: Path) -> dict[str, Any]:
    """Writes `path`; returns what `exported/predict.py` does before: size, steps, background.

    The batch is of any size. Raises WeightsError, and TrainableError for what cannot be exported.
    """
    steps = parse_preprocess(config["preprocess"])
    if steps.columns:
        raise TrainableError(
            f"preprocess={steps.text!r} reads columns of a table ({', '.join(steps.columns)}); an exported "
            "ensemble has none, so export one without box"
        )
    height, width = size_of(config["image_size"])
    model = Probabilities(*build_trained(weights, config, classes)).eval()
    _export(model, torch.zeros((2, 3, height, width)), path)
    return {
        "size": [height, width],
        "steps": steps.to_json(),
        "background": list(ground_of(config["background"])),
    }


def _export(model: nn.Module, images: Tensor, path: Path) -> None:
    try:
        import onnxscript  # noqa: F401  torch.onnx says less clearly what it lacks
    except ImportError as error:
        raise TrainableError("--export onnx needs onnx and onnxscript: pip install -e '.[onnx]'") from error
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter, about itself
        torch.onnx.export(
            model,
            (images,),
            str(path),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim("rows")}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
