"""Which files are images, by their names."""

from __future__ import annotations

import posixpath

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".avif"),
        *(".tif", ".tiff", ".jp2", ".j2k", ".j2c", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm"),
        *(".dcm", ".dicom"),  # with the extra `dicom`
        *(".heic", ".heif", ".jxl"),  # not decoded
    )
)
"""Of image files, in lower case. Those that cannot be decoded are refused by name, never passed over."""


def is_image(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in SUFFIXES
