"""What kind of file it is, by its first bytes; a file's suffix is what somebody called it."""

from __future__ import annotations

from collections.abc import Callable

HEAD = 512  # bytes that tell a kind
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_IMAGES = (
    # first bytes, kind
    (b"\xff\xd8", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
)

_OTHERS = (
    # first bytes in lower case, why it is no image
    (b"<!doctype html", "an HTML page, not an image: what a download left there"),
    (b"<html", "an HTML page, not an image: what a download left there"),
    (b"<svg", "SVG, a drawing of lines: convert it to PNG"),
    (b"<?xml", "XML, not an image: a drawing in SVG can be converted to PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the image itself: fetch it with `git lfs pull`"),
    (b"%pdf", "PDF: convert its pages to PNG"),
    (b"pk\3\4", "a ZIP archive, not an image: unpack it"),
    (b"\x1f\x8b", "gzip data, not an image: unpack it"),
    (b"\0\0\0\x0cjxl ", "JPEG XL, which is not read: convert it to PNG"),
    (b"\xff\x0a", "JPEG XL, which is not read: convert it to PNG"),
    (b"\x93numpy", "a NumPy array, not an image: write it as PNG"),
)


class UndecodableError(ValueError):
    """Why a file is no image that can be used; the message is the reason, in a few words."""


def kind_of(data: bytes) -> str:
    """jpeg, png, gif, tiff, bmp, jp2, webp, avif, pnm, dicom; "" for what a decoder may yet know.

    Raises UndecodableError for what is known to be something else.
    """
    if not data:
        raise UndecodableError("empty")
    head = data[:HEAD]
    if head[128:132] == b"DICM":
        return "dicom"
    for first, kind in _IMAGES:
        if head.startswith(first):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _kind_of_brands(head)
    if head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3].isspace():
        return "pnm"
    _refuse_known(head)
    return ""


def _kind_of_brands(head: bytes) -> str:
    """Of a file in ISO's container, whose brands say what it holds."""
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4))}
    if brands & {b"avif", b"avis"}:
        return "avif"
    if brands & set(_HEIF):
        raise UndecodableError("HEIC, which is not read: convert it to JPEG or PNG, as `magick a.heic a.jpg`")
    raise UndecodableError("a video, not an image: write its frames as JPEG or PNG")


def _refuse_known(head: bytes) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for first, reason in _OTHERS:
        if text.startswith(first):
            raise UndecodableError(reason)
    if not head.strip(b"\0"):
        raise UndecodableError("nothing but zero bytes: a copy or download that broke off")
    printable: Callable[[int], bool] = lambda byte: byte >= 32 or byte in b"\t\r\n\f"  # noqa: E731
    if all(map(printable, head)) and _is_text(head):
        raise UndecodableError("text, not an image")


def _is_text(head: bytes) -> bool:
    try:
        head[: HEAD - 4].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
