"""Kinds of image files, each drawn here and compared with what was drawn."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image

from orchestrator.core.errors import TrainableError
from trainables.images import large
from trainables.images.decode import decode
from trainables.images.file_kinds import UndecodableError
from trainables.images.headers import jpeg_header
from trainables.images.pixels import Decoding, ground_of
from trainables.images.value_range import scale

RNG = np.random.default_rng(0)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 256, (40, 60, 3), np.uint8), (0, 0), 3)
PICTURE = np.asarray(cv2.normalize(SMOOTH, None, 0, 255, cv2.NORM_MINMAX), np.uint8)  # RGB
ALPHA = (
    np.where(np.arange(60)[None] < 30, 0, 255).repeat(40, 0).astype(np.uint8)
)  # the left half is not there
TURNED_BY = {1: 0, 3: 2, 6: -1, 8: 1}  # EXIF's orientation -> quarter turns to the left that make it upright


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def written(suffix: str, values: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(suffix, values)[1].tobytes())


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def far(found: NDArray[np.uint8], wanted: NDArray[Any]) -> float:
    """Grey levels between them, on average; infinite where their shapes differ."""
    if found.shape != wanted.shape:
        return float("inf")
    return float(np.abs(found.astype(float) - wanted.astype(float)).mean())


def refusal(data: bytes, **options: str) -> str:
    with pytest.raises(UndecodableError) as caught:
        decode(data, Decoding(**options))
    return str(caught.value)


# ---- ordinary files -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".pnm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_ordinary_image_is_what_opencv_makes_of_it(suffix: str, channels: int) -> None:
    data = written(suffix, PICTURE if channels == 3 else PICTURE[..., 0])
    plain = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    for decoding in (Decoding(), Decoding("black", "minmax")):
        assert np.array_equal(decode(data, decoding).pixels, plain)


GROUND = "ff0080"
FORMATS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: saved(image, "JPEG", quality=98, subsampling=0),
    "png": lambda image: saved(image, "PNG"),
    "gif": lambda image: saved(image, "GIF"),
    "webp": lambda image: saved(image, "WEBP", lossless=True),
    "avif": lambda image: saved(image, "AVIF", quality=100, subsampling="4:4:4"),
    "tiff": lambda image: saved(image, "TIFF"),
    "lzw tiff": lambda image: saved(image, "TIFF", compression="tiff_lzw"),
    "jpeg 2000": lambda image: saved(image, "JPEG2000"),
    "bmp": lambda image: saved(image, "BMP"),
    "ppm": lambda image: saved(image, "PPM"),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.03, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    data = FORMATS[kind](Image.fromarray(PICTURE))
    assert far(decode(data).pixels, PICTURE) < 5
    reason = refusal(data[: int(share * len(data))])
    assert "truncated" in reason or "damaged" in reason or share == 0.03


@pytest.mark.parametrize(
    "kind, mode",
    [
        *(("PNG", mode) for mode in ("L", "P", "1")),
        *(("TIFF", mode) for mode in ("L", "P", "1", "CMYK", "YCbCr")),
        *(("JPEG", mode) for mode in ("L", "CMYK")),
        *(("GIF", mode) for mode in ("L", "P", "1")),
    ],
)
def test_other_colour_models_become_rgb(kind: str, mode: str) -> None:
    image = Image.fromarray(PICTURE).quantize(64) if mode == "P" else Image.fromarray(PICTURE).convert(mode)
    assert far(decode(saved(image, kind)).pixels, np.asarray(image.convert("RGB"))) < 3


@pytest.mark.parametrize(
    "kind, alpha",
    [
        ("JPEG", False),
        *((kind, alpha) for kind in ("PNG", "WEBP", "TIFF", "AVIF") for alpha in (False, True)),
    ],
)
@pytest.mark.parametrize("orientation", TURNED_BY)
def test_exif_turns_an_image_upright(kind: str, alpha: bool, orientation: int) -> None:
    opaque = np.dstack([PICTURE, np.full_like(ALPHA, 254)]) if alpha else PICTURE
    found = decode(saved(Image.fromarray(opaque), kind, exif=exif(orientation)))
    assert far(found.pixels, np.rot90(PICTURE, TURNED_BY[orientation])) < 6
    assert found.turned == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_of_a_png_with_alpha_are_those_of_one_without(orientation: int) -> None:
    alpha = np.dstack([PICTURE, np.full_like(ALPHA, 255)])
    ways = [saved(Image.fromarray(image), "PNG", exif=exif(orientation)) for image in (PICTURE, alpha)]
    assert np.array_equal(decode(ways[0]).pixels, decode(ways[1]).pixels)


# ---- transparency ---------------------------------------------------------------------------------


def _with_alpha(kind: str) -> bytes:
    image = Image.fromarray(np.dstack([PICTURE, ALPHA]))
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    return saved(image, kind, **options.get(kind, {}))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "GIF", "JPEG2000"])
@pytest.mark.parametrize("background, colour", [("white", 255), ("black", 0), (GROUND, (255, 0, 128))])
def test_a_transparent_ground_is_the_same_in_every_format(kind: str, background: str, colour: object) -> None:
    found = decode(_with_alpha(kind), Decoding(background))
    assert found.transparent
    assert (found.pixels[:, :28] == np.array(colour)).all()
    assert far(found.pixels[:, 32:], PICTURE[:, 32:]) < 6


def test_transparent_colours_of_palettes_and_greys_count_too() -> None:
    grey = PICTURE[..., 0]
    palette = Image.fromarray(PICTURE).quantize(16)
    for data, hidden in (
        (saved(palette, "PNG", transparency=3), np.asarray(palette) == 3),
        (saved(Image.fromarray(grey), "PNG", transparency=int(grey[0, 0])), grey == grey[0, 0]),
        (saved(Image.fromarray(np.dstack([grey, ALPHA])), "PNG"), ALPHA == 0),
        (saved(Image.fromarray(np.dstack([grey, ALPHA])), "TIFF"), ALPHA == 0),
    ):
        assert (decode(data, Decoding(GROUND)).pixels[hidden] == (255, 0, 128)).all()


def test_a_share_of_the_ground_is_seen_through_a_share_of_alpha() -> None:
    data = saved(Image.new("RGBA", (4, 4), (100, 0, 200, 51)), "PNG")
    assert decode(data).pixels[0, 0].tolist() == [224, 204, 244]  # a fifth of the colour, the rest white


def test_black_drawings_on_a_transparent_ground_are_seen() -> None:
    drawing = np.zeros((20, 20, 4), np.uint8)
    drawing[5:15, 5:15, 3] = 255
    data = written(".png", drawing)
    found = decode(data).pixels
    assert (found[5:15, 5:15] == 0).all() and (found[0] == 255).all()
    assert (decode(data, Decoding("black")).pixels == 0).all()


def test_an_unknown_background_is_refused() -> None:
    assert ground_of("grey") == (128, 128, 128) and ground_of("#00ff7f") == (0, 255, 127)
    with pytest.raises(TrainableError, match=r"background='green-ish'.*white, grey, black or RRGGBB"):
        ground_of("green-ish")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_stands_for_all(kind: str) -> None:
    first, second = Image.new("RGB", (16, 12), (200, 30, 30)), Image.new("RGB", (16, 12), (30, 30, 200))
    data = saved(first, kind, save_all=True, append_images=[second])
    assert far(decode(data).pixels, np.asarray(first)) < 4


# ---- more than 8 bits -----------------------------------------------------------------------------

TWELVE = (np.arange(2400).reshape(40, 60) % 4096).astype(np.uint16)
TWELVE[0, 0] = 4095


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".jp2"])
def test_twelve_bits_in_a_file_of_sixteen_keep_their_shades(suffix: str) -> None:
    found = decode(written(suffix, TWELVE))
    assert far(found.pixels[..., 0], TWELVE / 4095 * 255) < 0.6 and found.top == 4095
    sixteen = decode(written(suffix, TWELVE), Decoding(value_range="16bit"))
    assert sixteen.pixels.max() == 16


@pytest.mark.parametrize(
    "values, rule, top, wanted",
    [
        ([0, 100, 255], "auto", 255, [0, 100, 255]),
        ([0, 256, 4095], "auto", 4095, [0, 16, 255]),
        ([0, 4096, 65535], "auto", 65535, [0, 16, 255]),
        ([0, 1023, 2000], "10bit", 1023, [0, 255, 255]),
        ([0, 16383], "14bit", 16383, [0, 255]),
        ([1000, 1500, 2000], "minmax", 2000, [0, 128, 255]),
        ([7, 7], "minmax", 7, [0, 0]),
        ([-1000, 0, 1000], "minmax", 1000, [0, 128, 255]),
        ([0.0, 0.5, 1.0], "unit", 1, [0, 128, 255]),
        ([0.25, 0.75], "minmax", 0.75, [0, 255]),
        ([0, 4095], "unit", 4095, [0, 255]),
    ],
)
def test_each_rule_names_the_value_that_becomes_white(
    values: list[float], rule: str, top: float, wanted: list[int]
) -> None:
    kinds = [np.float32] if isinstance(values[0], float) else [np.int32]
    kinds += [np.uint16] if kinds == [np.int32] and min(values) >= 0 else []
    for kind in kinds:
        found = scale(np.array(values, kind), rule)
        assert found.pixels.tolist() == wanted and found.top == top
        assert found.cut == (rule == "10bit")


def test_what_no_rule_fits_is_refused_with_the_rules_that_would() -> None:
    floats = RNG.random((8, 8)).astype(np.float32)
    assert "float values" in refusal(written(".tif", floats)) and "'unit'" in refusal(written(".tif", floats))
    assert decode(written(".tif", floats), Decoding(value_range="unit")).pixels.max() <= 255
    signed = written(".tif", (TWELVE.astype(np.int16) - 100))
    assert "-99 to 3995" in refusal(signed) and "minmax" in refusal(signed)
    floats[0, 0] = np.nan
    assert "not finite" in refusal(written(".tif", floats), value_range="minmax")


def test_colours_and_alpha_of_sixteen_bits_are_those_of_eight() -> None:
    deep = np.dstack([PICTURE, ALPHA])[..., [2, 1, 0, 3]].astype(np.uint16) * 257
    found = decode(written(".png", deep), Decoding(GROUND)).pixels
    shallow = decode(_with_alpha("PNG"), Decoding(GROUND)).pixels
    assert far(found, shallow) == 0


def test_white_may_be_the_smallest_value_of_a_tiff() -> None:
    data = saved(Image.fromarray(TWELVE), "TIFF", tiffinfo={262: 0})
    assert far(decode(data).pixels[..., 0], 255 - TWELVE / 4095 * 255) < 0.6


def test_a_pgm_is_scaled_by_the_largest_value_it_declares() -> None:
    ramp = b"P5\n# by hand\n4 4\n15\n" + bytes(range(16))
    assert decode(ramp).pixels[..., 0].ravel().tolist() == [17 * value for value in range(16)]


def test_a_fourth_channel_that_is_no_transparency_is_left_out() -> None:
    bands = np.dstack([TWELVE, TWELVE, TWELVE, np.zeros_like(TWELVE)])
    data = written(".tif", bands)
    assert (decode(data, Decoding("black")).pixels == 0).all()  # of which nothing is said
    sample_format = (339).to_bytes(2, "little") + b"\3\0" + (4).to_bytes(4, "little")
    unspecified = (338).to_bytes(2, "little") + b"\3\0" + (1).to_bytes(4, "little") + bytes(4)
    at = data.find(sample_format)
    assert at > 0
    data = data[:at] + unspecified + data[at + 12 :]
    assert far(decode(data, Decoding("black")).pixels[..., 0], TWELVE / 4095 * 255) < 0.6


# ---- what is not read, and why --------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"<html>404</html>", "HTML page"),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b'<?xml version="1.0"?><svg/>', "XML"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b'{"error": "not found"}\n', "text, not an image"),
        (bytes(4000), "zero bytes"),
        (b"\0\0\0\x18ftypheic" + bytes(400), "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0heicmif1" + bytes(400), "HEIC"),
        (b"\0\0\0\x18ftypisom" + bytes(400), "video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
        (b"PK\3\4" + bytes(90), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(90), "gzip"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "PNG without a header"),
        (b"RIFF\x10\0\0\0WEBPVP8X", "damaged"),
        (b"\xff\xd8\xff\xc0\0\x11", "truncated"),
        (b"II*\0\1", "TIFF tags"),
        (bytes(range(256)) * 8, "no image format"),
    ],
)
def test_what_is_no_image_says_what_it_is(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


def test_a_file_that_cannot_hold_its_size_is_refused_before_room_is_made_for_it() -> None:
    data = bytearray(saved(Image.fromarray(PICTURE), "PNG"))
    data[20:24] = (2**23).to_bytes(4, "big")  # its height
    assert "too few bytes" in refusal(bytes(data))
    for options in ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}):
        data = bytearray(saved(Image.fromarray(PICTURE), "TIFF", **options))
        at = max(data.find(b"\1\1" + kind + b"\0\1\0\0\0") for kind in (b"\3", b"\4"))  # ImageLength
        data[at + 2 : at + 12] = b"\4\0" + (1).to_bytes(4, "little") + (2**23).to_bytes(4, "little")
        assert "too few bytes" in refusal(bytes(data))


def of_size(data: bytes, height: int, width: int, at: int, order: str = "big", form: str = "hw") -> bytes:
    """The file with other numbers of 4 bytes at `at`, where its sides are."""
    sides = {"h": height, "w": width}
    numbers = b"".join(sides[side].to_bytes(4, order) for side in form)  # type: ignore[arg-type]
    return data[:at] + numbers + data[at + 8 :]


def tiff_of(coding: int, height: int, width: int) -> bytes:
    tags = ((256, width), (257, height), (258, 8), (259, coding), (262, 1), (273, 200), (277, 1), (279, 9))
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\4\0" + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in tags
    )
    return (b"II*\0\x08\0\0\0" + bytes((len(tags), 0)) + entries).ljust(300, b"\0")


LARGE = 10**8
ENDLESS = {
    "png": lambda: of_size(saved(Image.fromarray(PICTURE), "PNG"), LARGE, LARGE, 16, form="wh"),
    "bmp": lambda: of_size(saved(Image.fromarray(PICTURE), "BMP"), LARGE, LARGE, 18, "little", "wh"),
    "ppm": lambda: b"P6 %d %d 255\n" % (LARGE, LARGE) + bytes(100),
    "pgm of text": lambda: b"P2 %d %d 255\n" % (LARGE, LARGE) + b"1 " * 100,
    "jp2": lambda: bytes_with_sides(saved(Image.fromarray(PICTURE), "JPEG2000"), LARGE),
    "jp2 of 2^30": lambda: bytes_with_sides(saved(Image.fromarray(PICTURE), "JPEG2000"), 2**15),
    "tiff of bytes": lambda: tiff_of(1, LARGE, LARGE),
    "tiff of packed bytes": lambda: tiff_of(32773, LARGE, LARGE),
    "tiff of another coding": lambda: tiff_of(34925, LARGE, LARGE),
    "jpeg": lambda: jpeg_of_sides(65535, 65535),
}


def bytes_with_sides(data: bytes, side: int) -> bytes:
    """Of a JPEG 2000, in its box and in its code stream."""
    made = bytearray(of_size(data, side, side, data.find(b"ihdr") + 4))
    at = made.find(b"\xff\x51") + 6
    made[at : at + 8] = 2 * side.to_bytes(4, "big")
    return bytes(made)


def jpeg_of_sides(height: int, width: int) -> bytes:
    data = bytearray(saved(Image.fromarray(PICTURE), "JPEG"))
    at = data.find(b"\xff\xc0") + 5
    data[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("has_vips", [False, True])
def test_sides_that_no_such_file_has_are_refused_at_once(
    kind: str, has_vips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "has_vips", lambda: has_vips)
    monkeypatch.setattr(large, "read_reduced", lambda *_: pytest.fail("it was read piece by piece"))
    began, room = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(refusal(ENDLESS[kind]())) < 160
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - room < 500_000, "kB"


def test_no_other_program_is_started_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would give what an EPS file says to Ghostscript."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("it was started"))
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    assert refusal(data)
    assert refusal(b"\xc5\xd0\xd3\xc6" + (32).to_bytes(4, "little") + bytes(24) + data)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, which the program silences
def test_damaged_files_are_refused_and_nothing_else_comes_of_them() -> None:
    rng = np.random.default_rng(5)
    small = Image.fromarray(rng.integers(0, 256, (8, 9, 4), np.uint8))
    files = [
        write(small if kind in ("png", "webp", "tiff") else small.convert("RGB"))
        for kind, write in FORMATS.items()
    ]
    files += [written(suffix, TWELVE[:8, :9]) for suffix in (".png", ".tif", ".pgm")]
    outcomes = {"read": 0, "refused": 0}
    for number in range(400):
        data = bytearray(files[number % len(files)])
        for at in rng.integers(24, len(data), 2):  # sizes, which come first, could ask for all memory
            data[at] = rng.integers(256)
        try:
            found = decode(bytes(data))
            assert found.pixels.ndim == 3 and found.pixels.shape[2] == 3
            outcomes["read"] += 1
        except UndecodableError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20


# ---- unusual JPEGs --------------------------------------------------------------------------------


def test_fill_bytes_before_a_header_segment_change_nothing() -> None:
    data = saved(Image.fromarray(PICTURE), "JPEG", exif=exif(6))
    for marker in (b"\xff\xe1", b"\xff\xdb", b"\xff\xc4", b"\xff\xda"):
        at = data.find(marker)
        filled = data[:at] + b"\xff" * 7 + data[at:]
        assert np.array_equal(decode(filled).pixels, decode(data).pixels)
        assert decode(filled).turned
        assert "truncated" in refusal(filled[: len(filled) // 2 + at // 2])


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"restart_marker_rows": 1}, {"comment": b"\xff\xd9"}]
)
def test_rare_but_valid_jpegs_are_read(options: dict[str, Any]) -> None:
    data = saved(Image.fromarray(PICTURE), "JPEG", **options)
    assert far(decode(data).pixels, PICTURE) < 6
    header = jpeg_header(data)
    assert (header.height, header.width, header.bits, header.orientation) == (40, 60, 8, 1)


def test_a_jpeg_of_twelve_bits_is_refused_with_the_way_out() -> None:
    data = bytearray(saved(Image.fromarray(PICTURE), "JPEG"))
    data[data.find(b"\xff\xc0") + 4] = 12
    assert "JPEG of 12 bits" in refusal(bytes(data))


def test_a_thumbnail_does_not_hide_that_the_picture_is_cut_off() -> None:
    thumbnail = saved(Image.fromarray(PICTURE[::4, ::4]), "JPEG")
    whole = saved(Image.fromarray(PICTURE), "JPEG")
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = whole[:2] + segment + whole[2:]
    assert far(decode(data).pixels, PICTURE) < 6
    assert refusal(data[:-40]) == "truncated"


# ---- very large -----------------------------------------------------------------------------------


@pytest.fixture
def small_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "BOUND", 700)


@pytest.mark.usefixtures("small_bound")
def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size() -> None:
    data = saved(Image.fromarray(PICTURE), "JPEG", quality=95, exif=exif(6))
    found = decode(data)
    assert found.pixels.shape == (30, 20, 3) and found.reduced == 2 and found.turned
    wanted = cv2.resize(np.rot90(PICTURE, -1), (20, 30), interpolation=cv2.INTER_AREA)
    assert far(found.pixels, wanted) < 4


def test_reduction_is_the_least_that_holds() -> None:
    assert large.reduction(40000, 40000) == 8 and large.reduction(8192, 8192) == 1
    assert large.reduction(65535, 65535, most=8) == 8 and large.reduction(8193, 8192) == 2


@pytest.mark.usefixtures("small_bound")
def test_a_progressive_jpeg_is_held_whole_and_so_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(PICTURE), "JPEG", progressive=True)
    assert decode(data).reduced == 2
    monkeypatch.setattr(large, "WHOLE", 2000)
    assert "60 x 40 pixels" in refusal(data)


@pytest.mark.usefixtures("small_bound")
def test_without_libvips_a_large_png_is_decoded_whole_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "has_vips", lambda: False)
    data = saved(Image.fromarray(PICTURE), "PNG")
    for kind in ("png", "tiff", "gif", "jpeg 2000"):
        whole = decode(FORMATS[kind](Image.fromarray(PICTURE)))
        assert far(whole.pixels, PICTURE) < 5 and whole.reduced == 1
    monkeypatch.setattr(large, "WHOLE", 2000)
    reason = refusal(data)
    assert "60 x 40 pixels" in reason and "[large]" in reason


@pytest.mark.usefixtures("small_bound")
@pytest.mark.parametrize("kind", ["png", "tiff", "lzw tiff"])
def test_with_libvips_it_is_read_piece_by_piece_and_averaged(kind: str) -> None:
    pytest.importorskip("pyvips")
    data = FORMATS[kind](Image.fromarray(PICTURE))
    found = decode(data)
    wanted = cv2.resize(PICTURE, (30, 20), interpolation=cv2.INTER_AREA)
    assert far(found.pixels, wanted) < 1 and found.reduced == 2
    reason = refusal(data[: len(data) // 2])
    assert "truncated" in reason or "damaged" in reason
    twelve = decode(written(".png", TWELVE))
    assert twelve.top == 4095 and far(twelve.pixels[1:, 1:, 0], (TWELVE / 4095 * 255)[3::2, 3::2]) < 9
    clear = decode(_with_alpha("PNG"), Decoding(GROUND))
    assert clear.transparent and (clear.pixels[:, :14] == (255, 0, 128)).all()
