"""Test-time augmentation: views of an image whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch.nn.functional as F
from torch import Tensor

from orchestrator.core.choices import TTA
from orchestrator.core.errors import TrainableError

CROP = 7 / 8  # of each side


def views(images: Tensor, tta: str) -> Iterator[Tensor]:
    """Views (B, 3, H, W) of uint8 images (B, 3, H, W): uint8, or float32 in [0, 255] where they are resized.

    "none": the images; "flip": and their mirror images; "five_crop": the four corners and the centre, each
    7/8 of a side, resized bilinearly; "five_crop_flip": and the mirror image of each.
    Source: Krizhevsky et al. 2012, section 4.1. Raises TrainableError.
    """
    check_tta(tta)
    return _views(images, tta)


def views_of(tta: str) -> int:
    """How many `views` gives of an image."""
    return (5 if tta.startswith("five_crop") else 1) * (2 if tta.endswith("flip") else 1)


def check_tta(tta: str) -> None:
    """Raises TrainableError for a name that `views` does not know."""
    if tta not in TTA:
        raise TrainableError(f"tta={tta!r} is not known; use one of {', '.join(TTA)}")


def _views(images: Tensor, tta: str) -> Iterator[Tensor]:
    for view in _five_crops(images) if tta.startswith("five_crop") else (images,):
        yield view
        if tta.endswith("flip"):
            yield view.flip(3)


def _five_crops(images: Tensor) -> Iterator[Tensor]:
    height, width = images.shape[2:]
    rows, columns = max(1, round(height * CROP)), max(1, round(width * CROP))
    bottom, right = height - rows, width - columns
    for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)):
        crop = images[:, :, top : top + rows, left : left + columns].float()
        yield F.interpolate(crop, size=(height, width), mode="bilinear", align_corners=False)


def averaged(predict: Callable[[Tensor], Tensor], images: Tensor, tta: str) -> Tensor:
    """The mean over the views of predict(view), probabilities (B, C). Raises TrainableError."""
    rows = [predict(view) for view in views(images, tta)]
    if len(rows) == 1:
        return rows[0]
    # double: rows that each sum to 1 then still do, to float32's last digit
    return (sum((part.double() for part in rows[1:]), rows[0].double()) / len(rows)).to(rows[0].dtype)
