"""A row of a contact sheet names the class of its image, or the labels, one below the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.check.contact_sheet import GAP, LABEL, LINE, Block, draw_sheet

NAMES = ("ash", "birch", "cedar", "douglas", "elm", "fir", "ginkgo", "hazel")


@dataclass(frozen=True)
class Shown:
    labels: NDArray[np.int64]
    training: NDArray[np.uint8]
    validation: NDArray[np.uint8]


def text_of(label: int | list[int]) -> NDArray[np.uint8]:
    """What is written beside the one image of a sheet, from its first line on."""
    images = np.zeros((1, 1, 64, 64, 3), np.uint8)
    sheet = draw_sheet([Block("oak", Shown(np.array([label]), images, images[:, 0]), NAMES)])
    return sheet[2 * LINE + GAP :, :LABEL]


def line(text: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    return text[LINE * number : LINE * (number + 1)]


def test_labels_stand_below_each_other_each_as_a_class_would() -> None:
    both = text_of([0, 1, 0, 0, 1, 0, 0, 0])
    assert np.array_equal(line(both, 0), line(text_of(1), 0))
    assert np.array_equal(line(both, 1), line(text_of(4), 0))
    assert (line(both, 2) == 255).all() and (line(text_of(1), 1) == 255).all()


def test_a_row_without_labels_says_so_and_one_with_many_counts_the_rest() -> None:
    none, all_of_them = text_of([0] * 8), text_of([1] * 8)
    assert (line(none, 0) < 255).any() and not np.array_equal(line(none, 0), line(text_of(0), 0))
    assert np.array_equal(line(all_of_them, 4), line(text_of(4), 0))
    last = line(all_of_them, 5)
    assert (last < 255).any() and not np.array_equal(last, line(text_of(5), 0))
