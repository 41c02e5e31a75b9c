"""What an image file says of itself, without decoding it: its mode, its camera, when it was taken."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any, NamedTuple

from PIL import Image

# Headers alone are read here; how large an image may be is the decoder's to say.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_MAKE, _MODEL, _CHANGED, _EXIF, _TAKEN = 0x010F, 0x0110, 0x0132, 0x8769, 0x9003
_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
_LONGEST = 80  # characters of a camera's name


class FileFacts(NamedTuple):
    mode: str = ""  # as Pillow names it; "" where it cannot say
    camera: str = ""  # make and model; "" where none is named
    taken: str = ""  # YYYY-MM-DD HH:MM:SS; "" where it is not known


def facts_of(data: bytes) -> FileFacts:
    """Of an image file that was decoded; what Pillow cannot read of it is unknown."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, tags = image.mode, image.getexif()
            own = tags.get_ifd(_EXIF)
    except Exception:  # whatever an odd header, of a kind that others decode, makes of a parser
        return FileFacts()
    return FileFacts(mode, _camera(tags), _time(own.get(_TAKEN, tags.get(_CHANGED))))


def _camera(tags: Any) -> str:
    make, model = (_text(tags.get(tag)) for tag in (_MAKE, _MODEL))
    return model if model.startswith(make) else f"{make} {model}".strip()


def _text(found: Any) -> str:
    return " ".join(found.replace("\0", " ").split())[:_LONGEST] if isinstance(found, str) else ""


def _time(found: Any) -> str:
    match = _TIME.match(found) if isinstance(found, str) else None
    if match is None or match[1] == "0000":
        return ""
    year, month, day, clock = match.groups()
    return f"{year}-{month}-{day} {clock}"
