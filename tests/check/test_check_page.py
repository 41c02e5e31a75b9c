"""docs/check.md explains every finding under its number and title."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.check.record import FORMAT, VERSION, CheckRecord
from orchestrator.core.finding_codes import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text()


def test_the_page_has_a_line_for_every_code_with_its_title_and_meaning() -> None:
    rows = re.findall(r"^\| (FO\d{3}) \| (.+?) \| (.+?) \| (.*?) \|$", PAGE, flags=re.MULTILINE)
    assert [(code, title, meaning) for code, title, meaning, _ in rows] == [
        (item.code, item.title, item.meaning) for item in CODES.values()
    ]
    assert all(way_out for *_, way_out in rows)


def test_the_page_describes_the_record_as_it_is() -> None:
    assert f'`"{FORMAT}"`, {VERSION}' in PAGE
    keys = CheckRecord("", "", "", {}, "", (), (), (), {}).to_json()
    assert not [key for key in keys if f"`{key}`" not in PAGE]
