"""The picture of the screen that the README shows is what the tool draws now."""

from __future__ import annotations

import re
import xml.etree.ElementTree

from tests.support.screen_picture import PICTURE, picture


def test_the_picture_in_the_docs_is_what_the_screen_shows_now() -> None:
    assert PICTURE.read_text() == picture(), "it is stale: python -m tests.support.screen_picture"


def test_the_picture_stands_alone_and_shows_the_parts_of_the_screen() -> None:
    text = PICTURE.read_text()
    assert len(text) < 60_000
    assert re.findall(r"https?://(?!www\.w3\.org)\S+", text) == []  # nothing is fetched to show it
    words = "".join(xml.etree.ElementTree.fromstring(text).itertext()).replace("\xa0", " ")
    for part in ("planned fold-epochs", "slot", "leg", "COMPLETE", "RUNNING", "PRUNED", "decision", "more:"):
        assert part in words
