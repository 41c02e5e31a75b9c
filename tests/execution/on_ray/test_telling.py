"""What a trainable tells of the images reaches the user from wherever it was made ready."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.execution.backends import open_backend
from orchestrator.execution.on_ray.slots import ResourceRequest
from orchestrator.storage import DirectoryStore

TOLD = ["images: 2 looked at", "warning: one of them is odd"]


@pytest.mark.parametrize("inline", [True, pytest.param(False, marks=pytest.mark.ray)])
def test_what_prepare_returns_is_told_once(inline: bool, tmp_path: Path) -> None:
    for name in ("x.png", "y.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    labels, folds = np.arange(2), np.zeros(2, np.int16)
    classes, cache = ("red", "blue"), str(tmp_path / "cache")
    dataset = Dataset(
        str(tmp_path), ("x.png", "y.png"), labels, folds, classes, "macro_f1", "max", "f", cache
    )
    trainable, store = "tests.support.telling:Telling", DirectoryStore(tmp_path / "kept")
    with open_backend(inline=inline, address=None, request=ResourceRequest(), modules=()) as backend:
        told = backend.prepare(trainable, dataset, {}, store, lambda done, of: None)
    assert list(told) == TOLD
