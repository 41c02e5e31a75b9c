"""DICOM, where pydicom is installed."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.images.file_kinds import UndecodableError

Values = NDArray[Any]


def read(data: bytes, is_windowed: bool) -> tuple[Values, int | None, bool]:
    """The first frame: values (H, W) or (H, W, 3) RGB, the largest value it can hold (None: not known), and
    whether 0 is white.

    is_windowed: by the window, or table, that the file names for showing it. Without one, and where another
    rule for values was asked for, they are those stored, rescaled to the file's unit where it has one.
    Raises UndecodableError.
    """
    try:
        pydicom = importlib.import_module("pydicom")
        pixels = importlib.import_module("pydicom.pixels")
    except ImportError as error:
        raise UndecodableError("DICOM: `pip install -e '.[dicom]'` to read it") from error
    try:
        file = pydicom.dcmread(io.BytesIO(data), force=True)
        stored = pixels.pixel_array(file, index=0)
        kind = str(file.PhotometricInterpretation)
        if stored.ndim == 3:
            return stored, None, False
        if kind == "PALETTE COLOR":
            return pixels.apply_color_lut(stored, file), None, False
        return *_grey(pixels, file, stored, is_windowed), kind == "MONOCHROME1"
    except Exception as error:  # whatever a damaged or unusual file makes of a parser
        raise UndecodableError(f"DICOM that cannot be read: {_first_line(error)}") from error


def _grey(pixels: Any, file: Any, stored: Values, is_windowed: bool) -> tuple[Values, int | None]:
    values = pixels.apply_modality_lut(stored, file)
    if is_windowed and "VOILUTSequence" in file:
        bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
        return pixels.apply_voi_lut(stored, file), 2**bits - 1
    if is_windowed and "WindowCenter" in file and "WindowWidth" in file:
        shares = windowed(values, _first(file.WindowCenter), _first(file.WindowWidth), _function(file))
        return np.rint(shares * 255).astype(np.uint8), None
    if stored.min() >= 0 and is_windowed:  # the unit only shifts and stretches what the range is taken from
        bits = int(file.BitsStored)
        return stored, 2**bits - 1 if bits < 16 else None
    return values, None


def windowed(values: Values, center: float, width: float, function: str) -> NDArray[np.float64]:
    """Shares from 0 to 1, as DICOM PS3.3 C.11.2.1 defines each function."""
    given = np.asarray(values, np.float64)
    if function == "SIGMOID":
        shares: NDArray[np.float64] = 1 / (1 + np.exp(-4 * (given - center) / max(width, 1e-9)))
        return shares
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1
    return np.clip((given - center) / max(width, 1e-9) + 0.5, 0.0, 1.0)


def _function(file: Any) -> str:
    return str(getattr(file, "VOILUTFunction", "LINEAR") or "LINEAR")


def _first(value: Any) -> float:
    """Of several windows, the one to show first."""
    return float(value[0] if hasattr(value, "__len__") else value)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
