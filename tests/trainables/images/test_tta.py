from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from orchestrator.core.choices import TTA
from orchestrator.core.errors import TrainableError
from trainables.images.tta import averaged, views

IMAGES = torch.randint(0, 256, (2, 3, 32, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def resized(crop: Tensor) -> Tensor:
    return F.interpolate(crop.float(), size=(32, 48), mode="bilinear", align_corners=False)


def probabilities(view: Tensor) -> Tensor:
    """Three classes, by the light of the left edge, the top edge and the rest."""
    light = view.float()
    parts = [light[..., :2].mean((1, 2, 3)), light[:, :, :2].mean((1, 2, 3)), light.mean((1, 2, 3))]
    return torch.softmax(torch.stack(parts, dim=1) / 10, dim=1)


@pytest.mark.parametrize("tta, count", [("none", 1), ("flip", 2), ("five_crop", 5), ("five_crop_flip", 10)])
def test_each_name_gives_its_number_of_different_views_of_the_same_shape(tta: str, count: int) -> None:
    found = list(views(IMAGES, tta))
    assert len(found) == count and all(view.shape == IMAGES.shape for view in found)
    assert all(not torch.equal(a.float(), b.float()) for i, a in enumerate(found) for b in found[:i])


def test_none_and_flip_are_the_image_and_its_mirror_image() -> None:
    assert torch.equal(next(views(IMAGES, "none")), IMAGES)
    image, mirrored = views(IMAGES, "flip")
    assert torch.equal(image, IMAGES) and torch.equal(mirrored, IMAGES.flip(3))


def test_five_crops_are_the_corners_and_the_centre_at_seven_eighths_of_each_side() -> None:
    expected = [
        IMAGES[:, :, :28, :42],
        IMAGES[:, :, :28, 6:],
        IMAGES[:, :, 4:, :42],
        IMAGES[:, :, 4:, 6:],
        IMAGES[:, :, 2:30, 3:45],
    ]
    found = list(views(IMAGES, "five_crop"))
    assert all(torch.equal(a, resized(b)) for a, b in zip(found, expected, strict=True))
    assert all(float(view.min()) >= 0 and float(view.max()) <= 255 for view in found)


def test_ten_views_are_the_five_crops_each_with_its_mirror_image() -> None:
    crops, ten = list(views(IMAGES, "five_crop")), list(views(IMAGES, "five_crop_flip"))
    assert all(torch.equal(a, b) for a, b in zip(ten[::2], crops, strict=True))
    assert all(torch.equal(a, b.flip(3)) for a, b in zip(ten[1::2], crops, strict=True))


@pytest.mark.parametrize("tta", TTA)
def test_the_average_is_the_mean_over_the_views_and_sums_to_one(tta: str) -> None:
    rows = averaged(probabilities, IMAGES, tta)
    expected = torch.stack([probabilities(view) for view in views(IMAGES, tta)]).double().mean(0)
    assert rows.dtype == torch.float32
    assert torch.allclose(rows.double(), expected, atol=1e-7)
    assert rows.sum(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_the_average_over_mirror_images_does_not_know_left_from_right() -> None:
    for tta in ("flip", "five_crop_flip"):
        same = averaged(probabilities, IMAGES, tta), averaged(probabilities, IMAGES.flip(3), tta)
        assert torch.allclose(*same, atol=1e-5)
    assert not torch.allclose(probabilities(IMAGES), probabilities(IMAGES.flip(3)), atol=1e-3)


def test_an_unknown_name_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(TrainableError, match="tta='ten_crop' is not known; use one of none, flip"):
        views(IMAGES, "ten_crop")
