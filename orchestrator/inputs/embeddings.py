"""What a frozen network says of images, where weights for one are at hand; a sentence where they are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.choices import BACKBONE
from orchestrator.core.errors import InputError, TrainableError, WeightsError
from orchestrator.core.image_measures import ImageSource
from orchestrator.core.measuring import SHIPPED, own_or_shipped
from orchestrator.progress import progress_bar

HUB = "hub"
UNSEEN = (
    "images that show the same thing and share few pixels (another crop, angle or light) are not recognised"
)


@dataclass(frozen=True)
class Embedded:
    values: NDArray[np.float32] | None  # (n, D), NaN in rows of images that cannot be read; None: no weights
    note: str  # a sentence: what they were made with, or why there are none and what is then not seen


def refuse_missing_weights(pretrained: str | None) -> None:
    """Raises InputError for --pretrained with a file that is not there, before anything is looked at."""
    if pretrained not in (None, HUB) and not Path(pretrained).expanduser().is_file():
        raise InputError(
            f"--pretrained {pretrained}: no such file; give a .safetensors file, or hub to download weights"
        )


def embed(
    images: ImageSource, trainable: str | None = None, backbone: str = BACKBONE, pretrained: str | None = None
) -> Embedded:
    """Of each image of `images`, from its cache or computed now under a progress bar.

    pretrained: a .safetensors file of the timm model `backbone`, "hub", or None for no embeddings. A hub that
    cannot be reached is no error: whoever asked goes on without. Raises TrainableError, WeightsError for a
    backbone or a file that cannot be used, StorageError.
    """
    if pretrained is None:
        return Embedded(None, f"no weights were named (--pretrained FILE or hub), so {UNSEEN}.")
    describe = own_or_shipped(trainable or SHIPPED, "embed_images")
    try:
        with progress_bar("embedding images") as progress:
            values = np.asarray(describe(images, backbone, pretrained, progress), np.float32)
    except WeightsError as error:
        if pretrained != HUB:
            raise
        reason = str(error).splitlines()[0].removeprefix("pretrained=True: ")
        return Embedded(None, f"{reason}, so {UNSEEN}; --pretrained FILE names local weights.")
    if values.ndim != 2 or len(values) != len(images.paths):
        raise TrainableError(
            f"embed_images gave an array {values.shape} for {len(images.paths)} images; it must give (n, D)"
        )
    source = "timm's own weights" if pretrained == HUB else pretrained
    return Embedded(values, f"Embeddings: {values.shape[1]} numbers an image by {backbone}, {source}.")
