"""An id names an image as competitions write it."""

from __future__ import annotations

import pytest

from orchestrator.ensemble.submission.ids import match_ids
from orchestrator.ensemble.submission.template import Template

PATHS = ["images/1.jpg", "images/10.jpg", "images/2.JPG"]


@pytest.mark.parametrize(
    "ids, paths",
    [
        (["2", "1", "10"], PATHS),
        (["2.JPG", "1.jpg", "10.jpg"], PATHS),
        (["images/2.JPG", "images/1.jpg", "images/10"], PATHS),
        (["images\\2", "./images/1.jpg", " 10 "], PATHS),
        (["2.dcm", "1.png", "10.tif"], PATHS),  # ids of files that were converted
        (["y/a", "x/a.jpg", "x/b"], ["x/a.jpg", "x/b.jpg", "y/a.jpg"]),
        (["a.jpg", "a.png", "b"], ["a.png", "b.jpg", "a.jpg"]),
        (["1.2.826.0.17", "1.2.826.0.1", "1.2"], ["1.2.826.0.1.jpg", "1.2.jpg", "1.2.826.0.17.jpg"]),
    ],
)
def test_with_and_without_suffix_and_folder(ids: list[str], paths: list[str]) -> None:
    template = Template("t.csv", ("id", "label"), tuple((name, "") for name in ids))
    assert match_ids(template, (0,), paths, {}) == [2, 0, 1]


def test_the_images_own_table_knows_the_ids_best() -> None:
    template = Template("t.csv", ("image_id", "label"), (("7", ""), ("8", "")))
    assert match_ids(template, (0,), ["7.jpg", "8.jpg"], {"image_id": ["8", "7"]}) == [1, 0]


def test_the_column_with_the_ids_is_the_one_whose_cells_are_images() -> None:
    template = Template("t.csv", ("", "file", "label"), (("0", "b.jpg", ""), ("1", "a.jpg", "")))
    assert match_ids(template, (0, 1), ["a.jpg", "b.jpg"], {}) == [1, 0]


def test_composed_and_decomposed_names_meet_and_images_may_be_left_over() -> None:
    template = Template("t.csv", ("id", "label"), (("ka\u0301ve", ""),))
    assert match_ids(template, (0,), ["b.jpg", "k\u00e1ve.jpg"], {}) == [1]
