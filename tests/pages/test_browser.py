"""A page in a real Chromium: it asks for nothing, sorts, filters, highlights, and is read by everybody."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.pages.render import render
from orchestrator.pages.thumbnails import data_uri
from tests.support.browser import WIDTHS, OpenPage
from tests.support.every_block import every_block


@pytest.fixture(scope="module")
def html() -> str:
    image = data_uri(np.zeros((96, 64, 3), np.uint8))
    return render(every_block(), {0: image, 1: image}, "1.0")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(open_page: OpenPage, html: str, width: int) -> None:
    shown = open_page(html, width=width)
    assert shown.overflow() <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_left_out(open_page: OpenPage, html: str, scheme: str) -> None:
    shown = open_page(html, scheme=scheme)
    assert shown.faults() == []
