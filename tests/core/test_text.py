from __future__ import annotations

import pytest

from orchestrator.core.text import suggestion


@pytest.mark.parametrize(
    ("word", "known", "text"),
    [
        ("mak", ["age", "mask"], "; did you mean mask?"),
        ("zebra", ["age", "mask"], ""),
        ("age", [], ""),
    ],
)
def test_a_misspelt_word_gets_the_closest_known_one(word: str, known: list[str], text: str) -> None:
    assert suggestion(word, known) == text
