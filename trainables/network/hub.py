"""timm's weights from the hub: found in the local cache, or downloaded, or refused within seconds."""

from __future__ import annotations

from typing import Any

from orchestrator.core.errors import WeightsError
from trainables.network.torchvision_ops import timm

TIMEOUT_S = 5.0
WEIGHTS_FILE = "model.safetensors"


def weights_options(name: str) -> dict[str, Any]:
    """What `timm.create_model` needs beside pretrained=True. Raises WeightsError.

    A copy in the hub's cache is used as it is. Otherwise one request asks whether the hub answers at all:
    a download that cannot work would retry for a minute before it says so.
    """
    card = timm.get_pretrained_cfg(name)
    if card is None or not card.has_weights:
        raise WeightsError(
            f"pretrained=True: timm has no weights for backbone {name!r}; use pretrained=False or a path"
        )
    if not card.hf_hub_id:
        return {}
    import huggingface_hub

    repository, _, revision = str(card.hf_hub_id).partition("@")
    filename = card.hf_hub_filename or WEIGHTS_FILE
    cached = huggingface_hub.try_to_load_from_cache(repository, filename, revision=revision or None)
    if isinstance(cached, str):
        return {"pretrained_cfg_overlay": {"file": cached}}
    try:
        huggingface_hub.HfApi().model_info(repository, revision=revision or None, timeout=TIMEOUT_S)
    except Exception as error:  # whatever the hub's client raises, the user's way out is the same
        raise no_download(name, f"{type(error).__name__}") from error
    return {}


def no_download(name: str, reason: str) -> WeightsError:
    first = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
    return WeightsError(
        f"pretrained=True: the weights of {name!r} cannot be downloaded ({first})\n"
        "use pretrained=False, or --set pretrained=PATH with a .safetensors file of this backbone"
    )
