from __future__ import annotations

import math

import numpy as np
import pytest

from orchestrator.core.errors import TrainableError
from trainables.images.preprocess import BOX, parse_preprocess, size_of

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def boxed(left: float, top: float, right: float, bottom: float) -> dict[str, float]:
    return dict(zip(BOX, (left, top, right, bottom), strict=True))


@pytest.mark.parametrize(
    "given, sides", [(224, (224, 224)), ("512x384", (512, 384)), ("96", (96, 96)), (16, (16, 16))]
)
def test_a_size_is_a_square_or_height_by_width(given: int | str, sides: tuple[int, int]) -> None:
    assert size_of(given) == sides


@pytest.mark.parametrize("given", [15, 2049, 0, -3, True, "512x", "x", "512x384x3", "8x512", "9e9", ""])
def test_any_other_size_is_refused(given: int | str) -> None:
    with pytest.raises(TrainableError, match="image_size="):
        size_of(given)


@pytest.mark.parametrize(
    "spec, rows, columns",
    [
        ("", slice(0, 40), slice(0, 60)),
        ("center_crop(20)", slice(10, 30), slice(20, 40)),
        ("center_crop(20x30)", slice(10, 30), slice(15, 45)),
        ("center_crop((20, 30))", slice(10, 30), slice(15, 45)),
        ("center_crop(50x20)", slice(0, 40), slice(20, 40)),
        ("center_crop(500)", slice(0, 40), slice(0, 60)),
        ("crop(top=0.25, left=0.1)", slice(10, 40), slice(6, 60)),
        ("crop(bottom=0.25, right=0.5)", slice(0, 30), slice(0, 30)),
        ("under_crop(0.6)", slice(16, 40), slice(0, 60)),
        ("under_crop(0.5) + center_crop(10)", slice(25, 35), slice(25, 35)),
        ("under_crop(0.5), center_crop(10)", slice(25, 35), slice(25, 35)),
    ],
)
def test_crops_keep_what_they_say(spec: str, rows: slice, columns: slice) -> None:
    assert np.array_equal(parse_preprocess(spec)(IMAGE, {}), IMAGE[rows, columns])


def test_padding_puts_the_picture_between_black_bars() -> None:
    padded = parse_preprocess("pad_square()")(IMAGE, {})
    assert padded.shape == (60, 60, 3) and np.array_equal(padded[10:50], IMAGE)
    assert not padded[:10].any() and not padded[50:].any()
    upright = parse_preprocess("pad_square")(IMAGE[:, :31], {})
    assert upright.shape == (40, 40, 3) and np.array_equal(upright[:, 4:35], IMAGE[:, :31])


@pytest.mark.parametrize(
    "box, margin, rows, columns",
    [
        ((10, 5, 30, 25), 0, slice(5, 25), slice(10, 30)),
        ((10, 10, 30, 20), 0.5, slice(5, 25), slice(0, 40)),
        ((10, 5, 30, 25), 10, slice(0, 40), slice(0, 60)),  # clipped to the image
        ((-5, -5, 500, 20), 0, slice(0, 20), slice(0, 60)),
        ((10.4, 5.6, 30.2, 24.9), 0, slice(5, 25), slice(10, 31)),
        ((math.nan, 5, 30, 25), 0.2, slice(0, 40), slice(0, 60)),  # a missing box: all of it
    ],
)
def test_a_box_is_cut_with_its_margin(
    box: tuple[float, float, float, float], margin: float, rows: slice, columns: slice
) -> None:
    preprocess = parse_preprocess(f"box(margin={margin})")
    assert preprocess.columns == BOX
    assert np.array_equal(preprocess(IMAGE, boxed(*box)), IMAGE[rows, columns])


@pytest.mark.parametrize("box", [(30, 5, 10, 25), (70, 5, 90, 25), (10, 5, 10, 25), (0, 0, math.inf, 9)])
def test_a_box_without_pixels_is_an_error(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(TrainableError, match="holds no pixel of an image 60 wide and 40 high"):
        parse_preprocess("box()")(IMAGE, boxed(*box))


def test_a_crop_never_leaves_nothing() -> None:
    dot = IMAGE[:1, :1]
    for spec in ("crop(top=0.9)", "under_crop(0.05)", "crop(top=0.5, bottom=0.49)"):
        assert parse_preprocess(spec)(dot, {}).shape == (1, 1, 3)


def test_one_text_stands_for_every_spelling() -> None:
    spellings = ["crop(top=.30)+pad_square", " crop( top = 0.3 ) ,pad_square() "]
    assert len({parse_preprocess(spelling).text for spelling in spellings}) == 1


def test_the_columns_of_a_box_have_to_be_there_as_numbers() -> None:
    preprocess = parse_preprocess("box(0.3)")
    columns = {name: np.arange(3.0) for name in BOX}
    assert list(preprocess.columns_in({**columns, "age": np.arange(3)})) == list(BOX)
    with pytest.raises(TrainableError, match="needs the column box_top, which is not in the manifest"):
        preprocess.columns_in({name: columns[name] for name in BOX if name != "box_top"})
    with pytest.raises(TrainableError, match="box_right, which does not hold numbers"):
        preprocess.columns_in({**columns, "box_right": np.array(["a", "b", "c"])})
    assert parse_preprocess("center_crop(8)").columns_in({}) == {}


@pytest.mark.parametrize(
    "spec, says",
    [
        ("centre_crop(8)", "did you mean center_crop?"),
        ("center_crop", "center_crop(): size must be"),
        ("center_crop(0)", "size must be pixels"),
        ("center_crop(2.5)", "size must be pixels"),
        ("center_crop(20x30x40)", "cannot be read"),
        ("crop(top=0.6, bottom=0.6)", "leaves nothing"),
        ("crop(top=1)", "top=1 must be a number from 0 to 0.95"),
        ("crop(up=0.1)", "argument up is not known"),
        ("under_crop", "needs keep"),
        ("pad_square(3)", "it takes none"),
        ("box(margin=-1)", "margin=-1 must be"),
        ("center_crop(8) + box()", "box must come first"),
        ("box() + box()", "box must come first"),
        ("center_crop(8", "cannot be read"),
    ],
)
def test_a_wrong_specification_is_refused_by_the_piece(spec: str, says: str) -> None:
    with pytest.raises(TrainableError) as caught:
        parse_preprocess(spec)
    message = str(caught.value)
    assert says in message and message.startswith("preprocess=") and len(message.splitlines()) == 1
