"""Named arrays as bytes (safetensors) and back: nothing is pickled, so nothing of a file runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from orchestrator.core.errors import TrainableError, WeightsError

Arrays = Mapping[str, NDArray[Any]]


def pack(values: Mapping[str, Any], what: str) -> bytes:
    """Arrays, numbers and torch tensors by name. what: whose, for the refusal of what is none of them.

    Raises TrainableError.
    """
    packed: bytes = save({name: _as_array(value, f"{what}[{name!r}]") for name, value in values.items()})
    return packed


def unpack(data: bytes, what: str) -> dict[str, NDArray[Any]]:
    """Inverse of `pack`; numbers come back as arrays of no dimension. Raises WeightsError."""
    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{what} cannot be read: {error}; write it anew") from error


def to_numpy(value: Any) -> NDArray[Any]:
    """An array of what a model gave: numbers, an array, or a torch tensor on any device."""
    is_tensor = hasattr(value, "detach")  # torch is not imported here
    return np.asarray(value.detach().cpu().numpy() if is_tensor else value)


def _as_array(value: Any, what: str) -> NDArray[Any]:
    try:
        array = np.array(to_numpy(value), order="C")
    except (TypeError, ValueError) as error:
        raise TrainableError(f"{what} is no array: {error}; give numbers, arrays or tensors") from error
    if array.dtype.kind not in "biuf":
        raise TrainableError(f"{what} holds {array.dtype}, not numbers; store numbers that stand for it")
    return array
