"""Small real things that tests share: a folder of images with people, a space over them, a shared Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

SPACE = '''"""Which of two tints a picture has."""
from orchestrator.space import Scale, SearchSpace, categorical, choice, loguniform

space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("tint", ["red", "blue"]),
    params={"lr": loguniform(1e-3, 2.0)},
    folds=3, trials=9, max_t=4, grace_period=1, finalists=2,
    scales={"small": Scale(trials=9), "smoke": Scale(trials=3, max_t=2, folds=2)},
)
'''


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """faces.csv (path, group, tint) and 60 noisy 12 px images of 20 people, three each."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(7)
    lines = ["path,group,tint"]
    for person in range(20):
        tint = ("red", "blue")[person % 2]
        for photo in range(3):
            image = rng.integers(0, 256, (12, 12, 3))
            image[..., 2 if tint == "red" else 0] += rng.integers(10, 60)
            name = f"p{person:02d}-{photo}.png"
            cv2.imwrite(str(root / name), np.clip(image, 0, 255).astype(np.uint8))
            lines.append(f"{name},p{person:02d},{tint}")
    (root / "faces.csv").write_text("\n".join(lines) + "\n")
    return root / "faces.csv"


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "tint.py"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests that need one; two CPUs whatever the machine has."""
    cluster = pytest.importorskip("orchestrator.execution.on_ray.backend.cluster")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    with cluster.connect(None, cpus=2):
        yield
