"""docs/reference/check.md explains every finding under its number and title."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.check.record import FORMAT, VERSION, CheckRecord
from orchestrator.core.finding_codes import CODES, OF_DATA

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "check.md").read_text()


def test_the_page_has_a_line_for_every_code_with_its_title_and_meaning() -> None:
    rows = re.findall(r"^\| (FO\d{3}) \| (.+?) \| (.+?) \| (.*?) \|$", PAGE, flags=re.MULTILINE)
    assert [(code, title, meaning) for code, title, meaning, _ in rows] == [
        (item.code, item.title, item.meaning) for item in OF_DATA
    ]
    assert all(way_out for *_, way_out in rows)


def test_every_code_is_given_somewhere() -> None:
    """A number in the table that nothing gives would promise a check that there is not."""
    sources = [path for path in (ROOT / "orchestrator").rglob("*.py") if path.name != "finding_codes.py"]
    text = "".join(path.read_text() for path in sources)
    assert not [code for code in CODES if f'"{code}"' not in text]


def test_the_page_describes_the_record_as_it_is() -> None:
    assert f'`"{FORMAT}"`, {VERSION}' in PAGE
    keys = CheckRecord("", "", "", {}, "", (), (), (), {}).to_json()
    assert not [key for key in keys if f"`{key}`" not in PAGE]
