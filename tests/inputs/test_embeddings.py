from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from orchestrator.core import measuring
from orchestrator.core.errors import TrainableError, WeightsError
from orchestrator.core.image_measures import ImageList
from orchestrator.inputs import embeddings
from orchestrator.inputs.embeddings import embed

IMAGES = ImageList("/images", ("a.png", "b.png"), "/cache")


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """What the shipped trainable gives or raises."""

    def gives(what: Any) -> None:
        class Trainable:
            @staticmethod
            def embed_images(images: Any, backbone: str, pretrained: str, progress: Any) -> Any:
                assert images is IMAGES and backbone == "resnet18"
                if isinstance(what, Exception):
                    raise what
                return what

        known = {embeddings.SHIPPED: Trainable, "own:Model": object}
        monkeypatch.setattr(measuring, "load_trainable", known.__getitem__)

    return gives


@pytest.mark.parametrize("trainable", [None, "own:Model"])
def test_the_shipped_one_describes_where_the_trainable_does_not(
    described: Callable[[Any], None], trainable: str | None
) -> None:
    described(np.ones((2, 5)))
    found = embed(IMAGES, trainable, "resnet18", "w.safetensors")
    assert found.values is not None and found.values.dtype == np.float32
    assert found.note == "Embeddings: 5 numbers an image by resnet18, w.safetensors."


def test_without_weights_there_are_none_and_it_says_what_is_not_seen() -> None:
    found = embed(IMAGES)
    assert found.values is None
    assert found.note.startswith("no weights were named") and "are not recognised" in found.note


def test_a_hub_out_of_reach_is_said_and_no_error(described: Callable[[Any], None]) -> None:
    described(WeightsError("pretrained=True: the weights of 'resnet18' cannot be downloaded (x)\nuse a file"))
    found = embed(IMAGES, None, "resnet18", "hub")
    assert found.values is None
    assert found.note.startswith("the weights of 'resnet18' cannot be downloaded (x), so")
    assert found.note.endswith("--pretrained FILE names local weights.") and "\n" not in found.note


def test_a_file_that_cannot_be_used_is_refused(described: Callable[[Any], None]) -> None:
    described(WeightsError("pretrained='w': no such file"))
    with pytest.raises(WeightsError, match="no such file"):
        embed(IMAGES, None, "resnet18", "w")


def test_an_own_answer_of_another_shape_is_refused(described: Callable[[Any], None]) -> None:
    described(np.ones((3, 5)))
    with pytest.raises(TrainableError, match=r"\(3, 5\) for 2 images"):
        embed(IMAGES, None, "resnet18", "w")
