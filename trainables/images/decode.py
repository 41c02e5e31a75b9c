"""One image file's bytes to pixels: the only decoder, for training, validation, prediction and `check` alike.

What an image becomes depends on its own bytes and on `Decoding`, never on other images. An ordinary image
(8 bits, opaque) is what OpenCV makes of it. What it may be besides is in docs/reference/images.md.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from trainables.images import dicom, large
from trainables.images.file_kinds import UndecodableError, kind_of
from trainables.images.headers import (
    WAVELETS,
    PngHeader,
    TiffHeader,
    gif_sides,
    jp2_sides,
    jpeg_header,
    known_orientation,
    png_header,
    pnm_top,
    refuse_too_few,
    tiff_header,
    webp_orientation,
)
from trainables.images.pixels import DEFAULT, Decoded, Decoding, Images, Values, finished, ground_of

_DAMAGED = "damaged or truncated"
_PILLOW = ("AVIF", "WEBP", "TIFF", "PNG", "GIF", "BMP", "JPEG", "JPEG2000", "PPM", "TGA", "ICO", "PCX")
"""What Pillow decodes by itself: for EPS it would start a program with what the file says."""
_ONE_AT_A_TIME = threading.Lock()  # for images that no decoder here can read in part

if "OPENCV_LOG_LEVEL" not in os.environ:  # the error that names a damaged file says enough
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, decoding: Decoding = DEFAULT) -> Decoded:
    """Raises UndecodableError with the reason."""
    return _DECODERS[kind_of(data)](data, decoding)


# ---- kinds of files -------------------------------------------------------------------------------


def _jpeg(data: bytes, decoding: Decoding) -> Decoded:
    header = jpeg_header(data)
    if data.find(b"\xff\xd9", header.scan) < 0:  # OpenCV would fill what is missing with grey, silently
        raise UndecodableError("truncated")
    if header.bits != 8:
        raise UndecodableError(f"a JPEG of {header.bits} bits a value, which is not read: convert it to PNG")
    reduced = large.reduction(header.height, header.width, most=8)
    turned = header.orientation != 1
    if reduced == 1:
        return Decoded(_plain(data), turned=turned)
    if header.is_progressive:
        large.refuse_beyond_opencv(header.height, header.width)
    with _alone_if_large(header.height, header.width) if header.is_progressive else nullcontext():
        pixels = np.ascontiguousarray(_plain(data, _REDUCED[reduced])[..., ::-1])
    return Decoded(pixels, reduced, turned)


_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


def _png(data: bytes, decoding: Decoding) -> Decoded:
    header = png_header(data)

    def whole() -> Decoded:
        has_alpha = header.colour in (4, 6) or header.has_transparency
        if header.bits < 16 and not has_alpha:
            return Decoded(_plain(data), turned=header.orientation != 1)
        if header.has_transparency and header.colour == 0:  # one grey value, which OpenCV overlooks
            return _by_pillow(data, decoding)
        return finished(_unchanged(data), decoding, header.orientation)

    return _within_memory(data, header, decoding, whole)


def _tiff(data: bytes, decoding: Decoding) -> Decoded:
    header = tiff_header(data)
    is_odd = header.channels == 4 and header.photometric not in (2, 5, 6)
    if header.channels > 4 or is_odd or (header.channels == 2 and header.bits > 8):
        raise UndecodableError(f"a TIFF of {header.channels} channels: write the three that are colours")

    def whole() -> Decoded:
        if (header.bits <= 8 and header.has_alpha) or (header.bits == 16 and header.photometric == 5):
            done = _by_pillow(data, decoding)
        elif header.bits <= 8:
            done = Decoded(_plain(data))
        else:
            values = _unchanged(data)  # turned already, its 0 taken for black
            if values.ndim == 3 and not header.has_alpha:
                values = values[..., :3]  # a fourth channel is anything, such as infrared
            done = finished(values, decoding, white_is_zero=header.photometric == 0)
        return replace(done, turned=header.orientation != 1)

    return _within_memory(data, header, decoding, whole)


def _webp(data: bytes, decoding: Decoding) -> Decoded:
    kind, flags = data[12:16], data[20:25].ljust(5, b"\0")
    if (kind == b"VP8X" and flags[0] & 0x10) or (kind == b"VP8L" and flags[4] & 0x10):
        return _by_pillow(data, decoding)
    return Decoded(_plain(data), turned=kind == b"VP8X" and webp_orientation(data) != 1)


def _gif(data: bytes, decoding: Decoding) -> Decoded:
    with _alone_if_large(*gif_sides(data)):
        return _by_opencv(data, decoding)


def _jp2(data: bytes, decoding: Decoding) -> Decoded:
    sides = jp2_sides(data)
    if large.reduction(*sides) > 1:
        refuse_too_few(sides[0] * sides[1], data, WAVELETS)
    with _alone_if_large(*sides):
        return _by_opencv(data, decoding)


def _bmp(data: bytes, decoding: Decoding) -> Decoded:
    if data[28:29] != b"\x20":  # bits a pixel
        return Decoded(_plain(data))
    pixels = _unchanged(data)
    has_alpha = pixels.ndim == 3 and pixels.shape[2] == 4 and bool(pixels[..., 3].any())  # else it is unused
    return finished(pixels, decoding) if has_alpha else Decoded(_plain(data))


def _pnm(data: bytes, decoding: Decoding) -> Decoded:
    top = pnm_top(data)
    if top == 255 and data[1:2] in b"123456":
        return Decoded(_plain(data))
    values = _unchanged(data)
    wide = values.astype(np.uint16) if top < 255 else values
    known = top not in (255, 65535)  # 65535 is also written for values of 12 bits
    return finished(wide, decoding, declared=top if known else None)


def _dicom(data: bytes, decoding: Decoding) -> Decoded:
    values, declared, white_is_zero = dicom.read(data, is_windowed=decoding.value_range == "auto")
    return finished(values, decoding, declared=declared, white_is_zero=white_is_zero, is_bgr=False)


def _by_opencv(data: bytes, decoding: Decoding) -> Decoded:
    return finished(_unchanged(data), decoding)


def _unknown(data: bytes, decoding: Decoding) -> Decoded:
    try:
        values = _unchanged(data)
    except UndecodableError:
        try:
            return _by_pillow(data, decoding)
        except UndecodableError as error:
            raise UndecodableError("of no image format that is known here") from error
    return finished(values, decoding)


def _by_pillow(data: bytes, decoding: Decoding) -> Decoded:
    """The first frame of 8 bits, whichever way its transparency is stored."""
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW) as image:
            image.load()  # which turns a TIFF, and then forgets that it was to be turned
            orientation = known_orientation(image.getexif().get(0x0112))
            pixels = np.asarray(image.convert("RGBA"), np.uint8)
    except (MemoryError, Image.DecompressionBombError) as error:
        raise UndecodableError("too large for this machine's memory") from error
    except Exception as error:  # whatever a damaged file makes of a parser
        raise UndecodableError(_DAMAGED) from error
    return finished(pixels, decoding, orientation=orientation, is_bgr=False)


# ---- from values to pixels ------------------------------------------------------------------------


def _plain(data: bytes, flag: int = cv2.IMREAD_COLOR_RGB) -> Images:
    """(H, W, 3) as OpenCV makes it, turned upright."""
    return np.asarray(_by(flag, data), np.uint8)


def _unchanged(data: bytes) -> Values:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGR and alpha, of the file's own type."""
    return np.asarray(_by(cv2.IMREAD_UNCHANGED, data))


def _by(flag: int, data: bytes) -> Any:
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise UndecodableError(_reason(error)) from error
    if found is None:
        raise UndecodableError(_DAMAGED)
    return found


def _alone_if_large(height: int, width: int) -> AbstractContextManager[object]:
    """Within it, no other image is decoded that cannot be read in part."""
    return _ONE_AT_A_TIME if large.reduction(height, width) > 1 else nullcontext()


def _reason(error: cv2.error) -> str:
    if "CV_IO_MAX_IMAGE" in str(error):
        return "too large: more than 2^30 pixels, or more than 2^20 in a row or column"
    return "too large for this machine's memory" if error.code == cv2.Error.StsNoMem else _DAMAGED


def _within_memory(
    data: bytes, header: PngHeader | TiffHeader, decoding: Decoding, whole: Callable[[], Decoded]
) -> Decoded:
    """What `whole` gives, or where that is too large to hold, a reduced one."""
    large.refuse_endless(header.height, header.width)
    factor = large.reduction(header.height, header.width)
    if factor == 1:
        return whole()
    if not large.has_vips():
        large.refuse_beyond_opencv(header.height, header.width)
        with _alone_if_large(header.height, header.width):
            return whole()
    values, transparent = large.read_reduced(data, factor, ground_of(decoding.background))
    white_is_zero = isinstance(header, TiffHeader) and header.photometric == 0 and header.bits > 8
    done = finished(values, decoding, header.orientation, white_is_zero=white_is_zero, is_bgr=False)
    return replace(done, reduced=factor, transparent=transparent)


_DECODERS: Mapping[str, Callable[[bytes, Decoding], Decoded]] = {
    "jpeg": _jpeg,
    "png": _png,
    "tiff": _tiff,
    "webp": _webp,
    "bmp": _bmp,
    "pnm": _pnm,
    "gif": _gif,
    "jp2": _jp2,
    "avif": _by_pillow,
    "dicom": _dicom,
    "": _unknown,
}
