"""What the headers of an image file say, without decoding it."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

from PIL import TiffImagePlugin

from trainables.images.file_kinds import UndecodableError

# What it finds odd in tags is no concern of who gave the image, or is said where the file cannot be read.
warnings.filterwarnings("ignore", module="PIL.TiffImagePlugin")
_ORIENTATION = 0x0112
_START_OF_SCAN = 0xDA
_DEFLATED = 1100  # bytes that one byte can stand for, at most
_TIFF_CODINGS = {1: 1, 5: 1500, 8: _DEFLATED, 32946: _DEFLATED, 32773: 64}
"""None, LZW, deflate (two numbers), PackBits: the same of each."""
_BLOCKS = 512  # pixels of a JPEG that one byte can stand for: 64 of a block, which takes a bit or more
WAVELETS = 20_000  # the same of a JPEG 2000; a large one of a single colour may need less
_TOO_FEW = "damaged or truncated: too few bytes for its size"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that begin a picture of some coding
_ARITHMETIC = 0xC9  # this one and those above it: many blocks may take a bit
_BARE = frozenset((0x00, 0x01, *range(0xD0, 0xD8)))  # markers without a length


@dataclass(frozen=True)
class JpegHeader:
    scan: int  # where the picture itself begins: thumbnails before it have end markers of their own
    height: int = 0  # pixels, as stored
    width: int = 0
    bits: int = 8  # of a value
    orientation: int = 1  # of EXIF, 1 to 8
    is_progressive: bool = False  # decoders hold all of it, however small it is to become


def jpeg_header(data: bytes) -> JpegHeader:
    """Reads segments as decoders do: fill bytes before a marker, and rubbish, are passed over."""
    size, bits, orientation, is_progressive, is_arithmetic, at = (0, 0), 8, 1, False, False, 2
    while (at := data.find(b"\xff", at)) >= 0:
        while data[at + 1 : at + 2] == b"\xff":
            at += 1
        if at + 9 > len(data):
            break
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            if not is_arithmetic:
                refuse_too_few(size[0] * size[1], data, _BLOCKS)
            return JpegHeader(at, *size, bits, orientation, is_progressive)
        if marker in _FRAMES:
            is_arithmetic = marker >= _ARITHMETIC
            bits, is_progressive = data[at + 4], marker % 4 == 2
            size = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[at + 10 : at + 2 + length])
        at += 2 if marker in _BARE else 2 + length
    return JpegHeader(len(data), *size, bits, orientation, is_progressive)


def refuse_too_few(values: float, data: bytes, most: float) -> None:
    """Raises UndecodableError where the bytes cannot hold so many values, `most` a byte."""
    if values > most * len(data):
        raise UndecodableError(_TOO_FEW)


def exif_orientation(block: bytes) -> int:
    """1 to 8, of a block of EXIF that begins with its byte order; 1 where it says nothing that is known."""
    if block[:2] not in (b"II", b"MM"):
        return 1
    order: Literal["little", "big"] = "little" if block[:2] == b"II" else "big"

    def number(at: int, length: int) -> int:
        return int.from_bytes(block[at : at + length], order)

    first = number(4, 4)
    for at in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if number(at, 2) == _ORIENTATION:
            return known_orientation(number(at + 8, 2))
    return 1


def known_orientation(found: Any) -> int:
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


@dataclass(frozen=True)
class PngHeader:
    height: int
    width: int
    bits: int  # of a value
    colour: int  # 0 grey, 2 colour, 3 palette, 4 grey and alpha, 6 colour and alpha
    has_transparency: bool  # a colour, or colours of the palette, that are transparent
    orientation: int  # of EXIF, 1 to 8


def png_header(data: bytes) -> PngHeader:
    """Raises UndecodableError where there is none."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise UndecodableError("a PNG without a header")
    transparent, orientation, at = False, 1, 8
    while at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"IEND":  # what follows is no part of it
            break
        if at + 8 + length > len(data):  # OpenCV would make room for as much as a damaged length asks for
            raise UndecodableError("truncated")
        transparent |= name == b"tRNS"
        if name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    refuse_too_few(height * width * data[24] / 8, data, _DEFLATED)
    return PngHeader(height, width, data[24], data[25], transparent, orientation)


def gif_sides(data: bytes) -> tuple[int, int]:
    """(height, width)"""
    return int.from_bytes(data[8:10], "little"), int.from_bytes(data[6:8], "little")


def jp2_sides(data: bytes) -> tuple[int, int]:
    """(height, width) of the box `ihdr`; (0, 0) for a bare code stream."""
    at = data.find(b"ihdr", 0, 1024) + 4
    if at < 4:
        return 0, 0
    return int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")


def webp_orientation(data: bytes) -> int:
    """Of EXIF, 1 to 8."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            return exif_orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    return 1


@dataclass(frozen=True)
class TiffHeader:
    """Of the first picture; defaults are those of the format."""

    height: int
    width: int
    bits: int = 1  # of a value
    channels: int = 1
    photometric: int = 1  # 0 grey whose 0 is white, 1 grey, 2 colour, 3 palette, 5 CMYK, ...
    has_alpha: bool = False
    orientation: int = 1  # 1 to 8


def tiff_header(data: bytes) -> TiffHeader:
    """Raises UndecodableError for a file whose tags cannot be read, or that cannot hold what they say."""
    try:
        file = io.BytesIO(data)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if data[2:3] == b"+" else 8))
        file.seek(tags.next)
        tags.load(file)
        header = _described(tags)
        coding = int(tags.get(259, 1))
    except Exception as error:  # whatever a damaged directory makes of a parser
        raise UndecodableError("damaged: its TIFF tags cannot be read") from error
    size = header.height * header.width * header.bits / 8  # of one channel: others may be coarser
    refuse_too_few(size, data, _TIFF_CODINGS.get(coding, math.inf))
    return header


def _described(tags: Any) -> TiffHeader:
    channels, photometric = int(tags.get(277, 1)), int(tags.get(262, 1))
    # A fourth channel of which nothing is said is transparency, to whoever writes and reads such files.
    extra = tags.get(338, (2,) if (channels, photometric) == (4, 2) else ())
    return TiffHeader(
        height=int(tags[257]),
        width=int(tags[256]),
        bits=int(_first(tags.get(258, 1))),
        channels=channels,
        photometric=photometric,
        has_alpha=any(kind in (1, 2) for kind in extra),
        orientation=known_orientation(tags.get(274)),
    )


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, tuple) else values


def pnm_top(data: bytes) -> int:
    """The largest value that a PPM or PGM declares; 255 for kinds without. Raises UndecodableError."""
    if data[1:2] not in b"2356":
        return 255
    words: list[bytes] = []
    for line in data[2:1024].splitlines():
        words += line.split(b"#")[0].split()
        if len(words) >= 3:
            break
    if len(words) < 3 or not words[2].isdigit() or not 0 < int(words[2]) < 65536:
        raise UndecodableError("damaged: its header cannot be read")
    return int(words[2])
