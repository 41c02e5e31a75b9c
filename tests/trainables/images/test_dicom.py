"""DICOM as pydicom writes it; without pydicom, how it is refused."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainables.images import dicom
from trainables.images.decode import decode
from trainables.images.file_kinds import UndecodableError
from trainables.images.pixels import Decoding

RAMP = np.linspace(0, 4095, 24 * 32).reshape(24, 32).astype(np.uint16)


def written(values: NDArray[Any], bits: int = 12, **tags: Any) -> bytes:
    pydicom = pytest.importorskip("pydicom")
    uid = pydicom.uid
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    file.Rows, file.Columns = values.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 8 * values.dtype.itemsize, bits, bits - 1
    file.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(file, name, value)
    file.PixelData = values.tobytes()
    made = io.BytesIO()
    file.save_as(made, enforce_file_format=True)
    return made.getvalue()


@pytest.mark.parametrize(
    "values, bits, tags, rule, wanted",
    [
        (RAMP, 12, {}, "auto", RAMP / 4095),
        (RAMP, 16, {}, "auto", RAMP / 4095),  # 16 bits stored, 12 used
        (RAMP // 8, 10, {}, "auto", RAMP // 8 / 1023),
        (RAMP, 12, {"PhotometricInterpretation": "MONOCHROME1"}, "auto", 1 - RAMP / 4095),
        (RAMP, 12, {"WindowCenter": 1000.5, "WindowWidth": 401}, "auto", np.clip((RAMP - 800.0) / 400, 0, 1)),
        (RAMP, 12, {"WindowCenter": [1000.5, 9], "WindowWidth": [401, 9]}, "minmax", RAMP / 4095),
        (
            RAMP,
            12,
            {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 0.5, "WindowWidth": 1001},
            "auto",
            np.clip((2.0 * RAMP - 1024 + 500) / 1000, 0, 1),
        ),
        (RAMP.astype(np.int16) - 1024, 16, {}, "minmax", RAMP / 4095),
        (np.stack([RAMP, RAMP[::-1]]), 12, {"NumberOfFrames": 2}, "auto", RAMP / 4095),
    ],
)
def test_a_file_is_shown_as_it_says(
    values: NDArray[Any], bits: int, tags: dict[str, Any], rule: str, wanted: NDArray[np.float64]
) -> None:
    found = decode(written(values, bits, **tags), Decoding(value_range=rule)).pixels
    assert np.abs(found[..., 0] - 255 * wanted).max() <= 1.01
    assert (found == found[..., :1]).all()


def test_negative_values_without_a_window_are_refused_with_the_rule_that_reads_them() -> None:
    with pytest.raises(UndecodableError, match=r"-1024 to 3071.*minmax"):
        decode(written(RAMP.astype(np.int16) - 1024, 16))


def test_half_a_file_is_refused() -> None:
    data = written(RAMP)
    with pytest.raises(UndecodableError, match="DICOM that cannot be read"):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize(
    "function, middle, low",
    [("LINEAR", 0.5, 0.0), ("LINEAR_EXACT", 0.5, 0.0), ("SIGMOID", 0.5, 1 / (1 + np.exp(2)))],
)
def test_each_function_of_a_window(function: str, middle: float, low: float) -> None:
    shift = 0.5 if function == "LINEAR" else 0.0
    shares = dicom.windowed(np.array([100 - shift, 50 - shift]), 100, 100, function)
    assert shares[0] == pytest.approx(middle) and shares[1] == pytest.approx(low, abs=0.01)


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UndecodableError, match=r"DICOM: `pip install -e '\.\[dicom\]'`"):
        decode(bytes(128) + b"DICM" + bytes(400))
