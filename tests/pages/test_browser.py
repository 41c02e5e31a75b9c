"""A page in a real Chromium: it asks for nothing, sorts, filters, highlights, and is read by everybody."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from orchestrator.pages.render import render
from orchestrator.pages.thumbnails import data_uri
from tests.support.browser import WIDTHS, OpenPage, WatchedPage
from tests.support.every_block import every_block

EVIL = "\"'><img src=http://example.org/x onerror=alert(1)><script>alert(2)</script>{{7*7}}\u202e"


@pytest.fixture(scope="module")
def html() -> str:
    image = data_uri(np.zeros((96, 64, 3), np.uint8))
    return render(every_block(), {0: image, 1: image}, "1.0")


def trials_table(shown: WatchedPage) -> Locator:
    return shown.page.locator(".table", has=shown.page.get_by_role("region", name="Trials"))


def column(table: Locator, index: int) -> list[str]:
    """Cells of the rows that can be seen."""
    cells = table.locator(f"tbody tr:visible td:nth-child({index + 1})")
    return cells.all_inner_texts()


# ---- what a page may do ----


def test_the_watch_sees_errors_requests_and_faults(open_page: OpenPage) -> None:
    """Else every test here would pass whatever a page does."""
    shown = open_page(
        "<title>t</title><img src='https://example.org/a.png'>"
        "<script>console.error('said'); throw Error('raised')</script>"
        "<p style='color:#999;background:#fff'>pale<p style='width:9999px'>wide"
    )
    shown.wait_until(lambda: len(shown.errors) >= 3)  # the third is that of the image
    assert shown.requests == ["https://example.org/a.png"]
    assert any("said" in error for error in shown.errors) and any("raised" in error for error in shown.errors)
    found = {fault.split(":")[0] for fault in shown.faults()}
    assert found >= {"image-alt", "color-contrast", "html-has-lang"} and shown.overflow() > 0
    shown.errors.clear()
    shown.requests.clear()


def test_names_from_data_run_nowhere_and_ask_for_nothing(open_page: OpenPage) -> None:
    shown = open_page(render(every_block(name=EVIL), {}, "1.0"))
    shown.page.get_by_role("button", name="Show all").first.click()
    shown.page.locator(".plot g[data-trial]").first.hover(force=True)
    for fold in shown.page.locator("details summary").all():
        fold.click()
    assert shown.page.evaluate("document.querySelectorAll('script').length") == 1
    assert shown.page.locator("img").count() == 0


def test_the_policy_of_a_page_refuses_what_was_slipped_into_it(open_page: OpenPage, html: str) -> None:
    slipped = "<script>document.title='taken'</script><img src='https://example.org/x'><p style='color:red'>x"
    shown = open_page(html.replace("<footer>", f"{slipped}<footer>"))
    assert shown.page.title() == "Report of age"
    shown.wait_until(lambda: len(shown.errors) >= 3)
    assert len(shown.errors) == 3 and all("Content Security Policy" in error for error in shown.errors)
    assert not shown.requests
    shown.errors.clear()


# ---- tables ----


def test_a_column_sorts_both_ways_and_what_is_not_known_stands_last(open_page: OpenPage, html: str) -> None:
    table = trials_table(open_page(html))
    table.get_by_role("button", name="Show all 40").click()
    head = table.get_by_role("columnheader", name="macro-F1")
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", order)
        cells = column(table, 1)
        known = [cell for cell in cells if cell]
        assert len(cells) == 40 and cells[len(known) :] == [""] * 5
        assert known == sorted(known, reverse=order == "descending") and len(set(known)) > 10


def test_numbers_sort_as_numbers_whatever_they_look_like(open_page: OpenPage, html: str) -> None:
    table = trials_table(open_page(html))
    table.get_by_role("button", name="lr").click()
    rates = [float(cell) for cell in column(table, 2)]
    assert rates == sorted(rates) and any("e-05" in cell for cell in column(table, 2))
    table.get_by_role("button", name="time").click()
    times = [cell.split() for cell in column(table, 4)]
    seconds = [60 * int(minutes) + int(rest) for minutes, _, rest, _ in times]
    assert seconds == sorted(seconds) and seconds[-1] > 60


def test_equal_cells_keep_their_order(open_page: OpenPage, html: str) -> None:
    table = trials_table(open_page(html))
    table.get_by_role("button", name="Show all 40").click()
    for _ in range(2):
        table.get_by_role("button", name="backbone").click()
        trials, kinds = column(table, 0), column(table, 3)
        for kind in set(kinds):
            same = [int(trial) for trial, other in zip(trials, kinds, strict=True) if other == kind]
            assert same == sorted(same)


def test_a_filter_counts_what_it_finds(open_page: OpenPage, html: str) -> None:
    table = trials_table(open_page(html))
    assert len(column(table, 0)) == 20
    table.get_by_role("searchbox").fill("RESNET18")
    found = column(table, 3)
    assert found and set(found) == {"resnet18"}
    expect(table.get_by_text(f"{len(found)} of 40 rows")).to_be_visible()
    table.get_by_role("searchbox").fill("no such thing")
    expect(table.get_by_text("0 of 40 rows")).to_be_visible()


# ---- one trial everywhere ----


def marked(shown: WatchedPage) -> set[str | None]:
    return {item.get_attribute("data-trial") for item in shown.page.locator(".on").all()}


def test_a_chosen_trial_is_marked_in_every_figure_and_kept_in_the_address(
    open_page: OpenPage, html: str
) -> None:
    shown = open_page(html)
    row = trials_table(shown).locator("tr[data-trial='7']")
    row.get_by_role("button").click()
    assert marked(shown) == {"7"} and shown.page.url.endswith("#trial=7")
    # The estimate, the row, two slices, the parallel line and a curve of each of three folds.
    assert shown.page.locator(".row.on, tr.on:visible, .plot .on").count() == 1 + 1 + 2 + 1 + 3
    expect(row.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    shown.page.keyboard.press("Escape")
    assert marked(shown) == set() and "#" not in shown.page.url
    expect(row.get_by_role("button")).to_have_attribute("aria-pressed", "false")


def test_a_dot_can_be_pointed_at_and_clicked(open_page: OpenPage, html: str) -> None:
    shown = open_page(html)
    dot = shown.page.locator(".plot .dot[data-trial='3']").first
    dot.hover()
    expect(shown.page.locator(".tip")).to_contain_text("trial 3")
    dot.click()
    assert marked(shown) == {"3"}


def test_an_address_with_a_trial_shows_it_though_its_row_is_folded(open_page: OpenPage, html: str) -> None:
    shown = open_page(html, anchor="#trial=39")
    expect(trials_table(shown).locator("tr[data-trial='39']")).to_be_visible()
    assert marked(shown) == {"39"}


# ---- everybody ----


def test_the_keyboard_reaches_the_content_a_heading_and_a_trial(open_page: OpenPage, html: str) -> None:
    shown = open_page(html)
    keyboard = shown.page.keyboard
    keyboard.press("Tab")
    focus = shown.page.locator(":focus")
    expect(focus).to_have_text("Skip to the content")
    expect(focus).to_be_in_viewport()
    keyboard.press("Enter")
    expect(shown.page.locator("#content")).to_be_focused()
    trials_table(shown).get_by_role("columnheader").first.get_by_role("button").focus()
    keyboard.press("Enter")
    expect(trials_table(shown).get_by_role("columnheader").first).to_have_attribute("aria-sort", "ascending")
    assert shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(5):  # the other headings, and what scrolls
        keyboard.press("Tab")
        if shown.page.evaluate("document.activeElement.closest('td') !== null"):
            break
    keyboard.press("Enter")
    assert marked(shown) == {"0"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(open_page: OpenPage, html: str, scheme: str) -> None:
    """Contrast is among what it looks at; a trial is highlighted and a table of numbers is open."""
    shown = open_page(html, scheme=scheme, anchor="#trial=7")
    shown.page.get_by_text("The numbers as a table").first.click()
    assert shown.faults() == []


def test_lines_of_a_figure_stand_out_from_the_paper_in_both_schemes(open_page: OpenPage, html: str) -> None:
    """WCAG 1.4.11 wants a contrast of 3 to 1; axe does not look at drawings."""
    for scheme in ("light", "dark"):
        shown = open_page(html, scheme=scheme)
        colors = shown.page.evaluate(
            """() => ["--paper", ...Array.from({length: 7}, (_, i) => `--c${i}`)].map((name) => {
                 const probe = document.createElement("i");
                 document.body.append(probe);
                 probe.style.color = `var(${name})`;
                 return getComputedStyle(probe).color.match(/\\d+/g).map(Number);
               })"""
        )
        paper, *series = (_luminance(color) for color in colors)
        assert min((max(one, paper) + 0.05) / (min(one, paper) + 0.05) for one in series) >= 3


def _luminance(color: list[int]) -> float:
    """Of sRGB, as WCAG defines it."""
    shares = [part / 255 for part in color[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(open_page: OpenPage, html: str, width: int) -> None:
    shown = open_page(html, width=width)
    assert shown.overflow() <= 0
    sizes = shown.page.locator(".plot text, .y-axis text, .x-axis text").evaluate_all(
        "texts => texts.map((text) => parseFloat(getComputedStyle(text).fontSize))"
    )
    assert min(sizes) >= 12


def test_a_choice_of_colours_outlives_the_visit(open_page: OpenPage, html: str) -> None:
    shown = open_page(html, scheme="light")
    button = shown.page.get_by_role("button", name="Colours")
    background = "getComputedStyle(document.body).backgroundColor"
    light = shown.page.evaluate(background)
    button.click()
    button.click()
    expect(button).to_have_text("Colours: dark")
    dark = shown.page.evaluate(background)
    shown.page.reload()
    assert dark != light and shown.page.evaluate(background) == dark
    expect(shown.page.get_by_role("button", name="Colours")).to_have_text("Colours: dark")


# ---- paper, and no script ----


def test_paper_shows_every_row_and_no_tool(open_page: OpenPage, html: str) -> None:
    shown = open_page(html, scheme="dark")
    shown.page.emulate_media(media="print")
    assert len(column(trials_table(shown), 0)) == 40
    for tool in (".bar-of-table", ".theme", ".code button", ".contents", ".skip"):
        expect(shown.page.locator(tool).first).to_be_hidden()
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    short = shown.page.locator("details.data:not(.long) td").first
    expect(short).to_be_visible()
    assert shown.page.pdf().count(b"/Type /Page\n") >= 3


def test_without_a_script_everything_is_there(open_page: OpenPage, html: str) -> None:
    shown = open_page(html, script=False)
    assert len(column(trials_table(shown), 0)) == 40
    assert shown.page.locator("button").count() == 0
    expect(shown.page.locator(".plot").first).to_be_visible()
    shown.page.get_by_text("The numbers as a table").first.click()
    expect(shown.page.locator("details[open] td").first).to_be_visible()
