"""A page is one file: nothing in it runs, nothing leaves it, and text from data is text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.finding import Level
from orchestrator.core.finding_codes import coded
from orchestrator.pages.blocks import BESIDE, Columns, Findings, Link, Page, PageSection, Pictures, Table
from orchestrator.pages.evidence import PAIRS, ROWS, pictures_of, rows_on
from orchestrator.pages.render import render
from orchestrator.pages.thumbnails import data_uri, thumbnail_uris

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def a_page(name: str = EVIL) -> Page:
    finding = coded("FO121", Level.BLOCKS, f"1 image: {name}", f"remove {name}", rows=[0], pairs=[(0, 1)])
    table = Table(name, (name, "rows"), ((name, 3), (name, 0.12345)), note=name)
    pictures = Pictures(name, ((0,), (1, 2)), name, heads=(name, name))
    return Page(name, (name,), (finding,), (PageSection(name, (table, pictures)),), lambda row: (name, name))


def test_names_from_data_are_text_wherever_they_stand() -> None:
    html = render(a_page(), {0: data_uri(np.zeros((2, 3, 3), np.uint8))}, "1.0")
    found = Tags(html)
    assert not found.open
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "iframe", "object", "embed", "link", "form"})
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert found.text.count(EVIL) >= 12


def test_nothing_leaves_the_page() -> None:
    html = render(a_page("plain"), {0: data_uri(np.zeros((2, 3, 3), np.uint8))}, "1.0")
    links = [
        value
        for _, attributes in Tags(html).tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster") and value is not None
    ]
    assert links and all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_what_turns_the_direction_of_writing_is_written_out() -> None:
    html = render(a_page("evil\u202egnp.exe"), {}, "1.0")
    assert "\u202e" not in html and "evil\\u202egnp.exe" in html


def test_findings_are_numbered_and_link_to_their_section() -> None:
    page = a_page("plain")
    html = render(page, {}, "1.0")
    ids = {value for _, attributes in Tags(html).tags if (value := attributes.get("id"))}
    assert "finding-1" in ids and 'href="#finding-1"' in html
    assert "must be mended" in html and "0.123" in html


def test_numbers_of_a_table_have_three_decimals_and_whole_ones_none() -> None:
    rows = ((0.75, -0.00174), (0.391, -1.0), (1458, 0.0))
    table = Table("scores", ("honest", "difference"), rows)
    html = render(Page("t", (), (), (PageSection("s", (table,)),), lambda row: ("",)), {}, "1.0")
    cells = re.findall(r'<td class="number">(.*?)</td>', html)
    assert cells == ["0.750", "-0.002", "0.391", "-1.000", "1458", "0.000"]


def test_no_name_of_an_image_is_cut() -> None:
    assert "line-clamp" not in render(a_page("plain"), {}, "1.0")


def test_a_page_without_a_finding_says_so() -> None:
    html = render(Page("clean", (), (), (), lambda row: ("",)), {}, "1.0")
    assert "no finding" in Tags(html).text


def test_pairs_stand_side_by_side_and_are_bounded() -> None:
    pairs = [(row, row + 1) for row in range(50)]
    shown = pictures_of(coded("FO122", Level.WARNING, "50 pairs", pairs=pairs, rows=range(50)))
    assert shown is not None and shown.sets == tuple(pairs[:PAIRS]) and f"{PAIRS} of 50 pairs" in shown.note
    rows = pictures_of(coded("FO111", Level.WARNING, "50 dark", rows=range(50)))
    assert rows is not None and len(rows.sets) == ROWS
    assert pictures_of(coded("FO104", Level.WARNING, "no rows")) is None


def test_pictures_of_findings_come_before_those_of_sections_and_each_row_is_read_once() -> None:
    assert rows_on(a_page()) == (0, 1, 2)


@pytest.mark.parametrize("budget, fits", [(10_000_000, 5), (0, 0)])
def test_pictures_fit_into_so_many_bytes_and_unreadable_ones_are_left_out(budget: int, fits: int) -> None:
    rng = np.random.default_rng(0)
    pictures = {row: rng.integers(0, 255, (64, 96, 3)).astype(np.uint8) for row in range(5)}
    told: list[tuple[int, int]] = []

    def read(rows: Sequence[int], side: int) -> list[NDArray[np.uint8] | None]:
        return [pictures.get(row) for row in rows]

    uris = thumbnail_uris(range(6), read, lambda *at: told.append(at), budget=budget)
    assert list(uris) == list(range(fits))
    if fits:
        half = thumbnail_uris(range(6), read, budget=len(uris[0]) + len(uris[1]))
        assert list(half) == [0, 1] and told[-1] == (6, 6)


def in_a_section(*blocks: Findings | Columns) -> Page:
    return Page("p", (), (), (PageSection("Checks", blocks),), lambda row: (f"row {row}",))


def test_findings_of_a_section_have_pictures_too() -> None:
    one, other = (coded("FO009", Level.BLOCKS, "copies", pairs=[pair]) for pair in ((0, 7), (3, 4)))
    page = in_a_section(Findings((one,)), Columns(("a",), ((Findings((other,)),),)))
    assert rows_on(page) == (0, 7, 3, 4)
    uri = data_uri(np.zeros((2, 3, 3), np.uint8))
    html = render(page, dict.fromkeys(rows_on(page), uri), "1.0")
    assert html.count(f'src="{uri}"') == 4 and "no picture" not in html


def test_brief_findings_link_to_where_they_are_told_in_full() -> None:
    one, other = (coded(code, Level.WARNING, "a and b") for code in ("FO001", "FO002"))
    seen = {"FO002": Link("Curves", anchor="curves")}
    html = render(in_a_section(Findings((other,), brief=True), Findings((one, other), see=seen)), {}, "1.0")
    assert '<a href="#finding-2">FO002 a fold unlike the others</a>: a and b' in html
    assert html.count('id="finding-2"') == 1 and html.count('<a href="#curves">Curves</a>') == 1


def test_a_page_says_where_all_evidence_is_only_if_it_is_somewhere() -> None:
    many = coded("FO009", Level.BLOCKS, "copies", pairs=[(row, row + 1) for row in range(PAIRS + 1)])
    page = in_a_section(Findings((many,)))
    assert f"{PAIRS} of {PAIRS + 1} pairs.</p>" in render(page, {}, "1.0")
    assert f"pairs; {BESIDE}.</p>" in render(replace(page, all_evidence=BESIDE), {}, "1.0")


def test_a_tiny_image_keeps_its_pixels() -> None:
    """The page enlarges it, and knows it by its kind."""
    assert data_uri(np.zeros((16, 16, 3), np.uint8)).startswith("data:image/png;")
    assert data_uri(np.zeros((72, 96, 3), np.uint8)).startswith("data:image/jpeg;")
