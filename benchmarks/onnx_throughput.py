"""Images per CPU second of one model: the project's predictor on torch, an exported folder on onnxruntime.

    python -m benchmarks.onnx_throughput --backbone resnet18 --size 96

Files are read, decoded and resized by both, in turns; the largest difference of a probability is printed too.
The weights are drawn, not trained: that changes no time.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import safetensors.torch

from orchestrator.core.file_digest import digest_of
from orchestrator.core.trainable import Resources
from orchestrator.data.targets import categorical
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.exported.predict import Ensemble as Exported
from orchestrator.ensemble.onnx import export_ensemble
from orchestrator.ensemble_record.record import (
    Component,
    EnsembleRecord,
    FoldModel,
    Member,
    Route,
    record_bytes,
)
from trainables.losses.target_shape import stored_shape
from trainables.network.network import build_network
from trainables.parameters import completed

CLASSIFIER = "trainables.image_classifier:ImageClassifier"
CLASSES = [f"c{number}" for number in range(18)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=96, help="pixels of a side that the model sees")
    parser.add_argument("--file-size", type=int, default=256, help="pixels of a side of the files")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = draw(folder / "images", asked.images, asked.file_size)
        ensemble = make(folder / "ensemble", asked.backbone, asked.size)
        exported = Exported(export_ensemble(ensemble), threads=asked.threads)
        resources = Resources(cpus=asked.threads)
        asks = {
            "torch": lambda: ensemble.predict(paths, resources=resources),
            "onnxruntime": lambda: exported.predict(paths),
        }
        seconds, answers = measured(asks, asked.repeats)
    machine = platform.processor() or platform.machine()
    print(
        f"{machine}, {asked.threads} thread(s), {asked.backbone} at {asked.size} px, {asked.images} JPEG "
        f"files of {asked.file_size} px, best of {asked.repeats}"
    )
    for kind, best in seconds.items():
        print(f"{kind}: {asked.images / best:.0f} images per CPU second")
    print(f"ratio: {seconds['torch'] / seconds['onnxruntime']:.2f}; largest difference of a probability: "
          f"{np.abs(answers['torch'] - answers['onnxruntime']).max():.1e}")  # fmt: skip


def draw(folder: Path, count: int, size: int) -> list[str]:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for at in range(count):
        image = cv2.GaussianBlur(rng.integers(0, 256, (size, size, 3), np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / f"{at:04d}.jpg"), image)
    return [str(path) for path in sorted(folder.iterdir())]


def make(folder: Path, backbone: str, size: int) -> Ensemble:
    """An ensemble of one model."""
    (folder / "weights").mkdir(parents=True)
    config = {"backbone": backbone, "image_size": size, "pretrained": False}
    objective = stored_shape({}, len(CLASSES)).objective(completed(config))
    tensors = build_network(completed(config), objective).state_dict()
    weights = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})
    (folder / "weights" / "w.safetensors").write_bytes(weights)
    model = FoldModel(0, 1, 0.5, "weights/w.safetensors", len(weights), digest_of(weights))
    member = Member("drawn", CLASSIFIER, 0, 0.5, 1.0, config, (model,))
    target = categorical("label", CLASSES)
    record = EnsembleRecord(target, "macro_f1", "max", (Route(1.0, (Component(target, (member,)),)),))
    (folder / "ensemble.json").write_bytes(record_bytes(record))
    return Ensemble.load(folder)


def measured(
    asks: dict[str, Callable[[], np.ndarray]], repeats: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The least CPU seconds of each, in turns after one round that does not count, and what each answered."""
    answers = {kind: ask() for kind, ask in asks.items()}
    seconds = dict.fromkeys(asks, float("inf"))
    for _ in range(repeats):
        for kind, ask in asks.items():
            started = time.process_time()
            ask()
            seconds[kind] = min(seconds[kind], time.process_time() - started)
    return seconds, answers


if __name__ == "__main__":
    main()
