"""The page in Chromium, offline: `open_page` fails a test on any request, message or dialog."""

from __future__ import annotations

import importlib
import os
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.blocked_report.conftest import ReportRun
from tests.blocked_report.test_reexports import exported_again
from tests.helpers import books, mapper

Open = Callable[..., Any]
Make = Callable[..., ReportRun]

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("PICTURES")
"""Folder for the screenshots in the documentation: `make test PICTURES=docs ARGS=tests/blocked_report`."""
WIDTHS = (320, 1280)
SCHEMES = ("light", "dark")
WIDTH_OF_AN_AMOUNT = 50
"""Pixels, at least."""
HOSTILE = (
    "<script>alert('script')</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></script><svg onload=alert(2)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "javascript:alert(3)",
    "' onfocus=alert(4) autofocus='",
    "x" * 5_000_000,
    "\u0001\u001b[2J\ud800",
)


def visible(page: Any) -> int:
    return int(page.locator("#items tbody tr:visible").count())


def column(page: Any, name: str) -> list[str]:
    # Also of rows far from the screen, which have no layout.
    return [text.strip() for text in page.locator(f"#items tbody tr:visible .c-{name}").all_text_contents()]


def amounts(page: Any) -> list[float]:
    return [float(data.get_attribute("value")) for data in page.locator("#items tbody tr:visible data").all()]


def assert_accessible(page: Any) -> None:
    results = importlib.import_module("axe_playwright_python.sync_playwright").Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.fixture
def page(make_report: Make, open_page: Open) -> Any:
    return open_page(make_report(books.scene()).html)


def test_page_starts_with_the_most_important_facts(page: Any) -> None:
    assert page.title() == "Pleo export: 34 of 208 items blocked"
    assert page.locator("h1").inner_text() == "34 of 208 items are blocked"
    headings = ["Export jobs", "What to fix first", "Blocked items", "Ready items"]
    assert page.locator("h2").all_inner_texts() == headings
    assert page.locator(".fact.time").inner_text().split("\n")[1] == "38 min"
    first = page.locator(".cause").first
    assert first.locator("h3").inner_text() == "Category “Client gifts” has no account code"
    assert "9 items" in first.inner_text()
    assert "An admin or bookkeeper, in Pleo’s settings" in first.inner_text()


def test_search_covers_every_column(page: Any) -> None:
    page.fill("#f-text", "priya")
    assert set(column(page, "person")) == {"Priya Nair"}

    page.fill("#f-text", "PRIYA  usd")
    assert all("USD" in text for text in column(page, "amount"))

    page.fill("#f-text", "unknown person")
    assert visible(page) == 0
    assert page.locator("#nothing").is_visible()
    assert page.locator("#count").inner_text() == "0 of 34 shown"


def test_filters_by_cause_job_and_type_combine(page: Any) -> None:
    page.select_option("#f-cause", label="No contra account for USD")
    assert set(column(page, "reason")) == {"No contra account for USD"}
    assert page.locator("#count").inner_text() == "5 of 34 shown"

    page.select_option("#f-job", label=books.JOBS[0][:8])
    assert set(column(page, "job")) == {books.JOBS[0][:8]}
    both = visible(page)
    assert 0 < both < 5

    page.select_option("#f-cause", "")
    page.select_option("#f-job", "")
    page.select_option("#f-type", label="Out of pocket")
    assert visible(page) == 4

    page.click("text=Show all")
    # Not wait_for_function: the page's policy forbids its second try.
    page.locator("#count", has_text="All 34 shown").wait_for()
    assert visible(page) == 34


def test_button_of_a_cause_shows_its_items(page: Any) -> None:
    page.locator(".cause", has_text="Tax code T20").get_by_role("button").click()

    assert set(column(page, "reason")) == {"Tax code T20 is not in the accounting system"}
    assert visible(page) == 2
    assert page.evaluate("document.activeElement.id") == "blocked"


@pytest.mark.parametrize("name", ["date", "person", "supplier", "reason", "job"])
def test_columns_sort_both_ways(page: Any, name: str) -> None:
    key = f"#items tbody tr .c-{name}" + (" time" if name == "date" else "")
    values = "cells => cells.map(cell => cell.dateTime || cell.textContent.trim())"
    expected = page.eval_on_selector_all(
        key, f"cells => ({values})(cells).sort(new Intl.Collator('en-GB', {{numeric: true}}).compare)"
    )

    page.click(f"#items th.c-{name} button")
    assert page.eval_on_selector_all(key, values) == expected
    assert page.get_attribute(f"#items th.c-{name}", "aria-sort") == "ascending"
    page.click(f"#items th.c-{name} button")
    assert page.eval_on_selector_all(key, values) == expected[::-1]
    assert page.locator("#items th[aria-sort]").count() == 1


def test_amounts_sort_as_numbers(page: Any) -> None:
    assert amounts(page) == sorted(amounts(page), reverse=True)

    page.click("#items th.c-amount button")

    assert amounts(page) == sorted(amounts(page))


def test_page_works_with_a_keyboard(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to what to fix first"
    page.keyboard.press("Enter")
    assert page.url.endswith("#fix")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert visible(page) == 9
    page.keyboard.press("Tab")
    page.keyboard.type("søren")
    assert set(column(page, "person")) <= {"Søren Ångström"}
    page.focus("#items th.c-date button")
    page.keyboard.press("Space")
    assert page.get_attribute("#items th.c-date", "aria-sort") == "ascending"
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.locator("table.plain tbody tr").first.is_visible()


def test_numbers_are_in_the_browsers_locale_with_every_digit(make_report: Make, open_page: Open) -> None:
    large = mapper.failing(1, amount=books.money("VEF", 12345678901234567890))
    fine = mapper.failing(2, amount={"inWalletCurrency": {"currency": "GBP", "value": Decimal("1999.95")}})
    made = make_report(books.validated([large, fine]))

    german = open_page(made.html, locale="de-DE")
    assert column(german, "amount") == ["123.456.789.012.345.678,90 VEF", "20,00 GBP exactly 19,9995"]
    for locale in ("de-CH", "en-IN", "ar-EG", "fr-FR"):
        foreign = open_page(made.html, locale=locale)
        assert re.sub(r"\D", "", column(foreign, "amount")[0]) == "12345678901234567890"


def test_locale_option_overrides_the_browsers_locale(make_report: Make, open_page: Open) -> None:
    page = open_page(make_report(books.scene(), "--locale", "de").html, locale="en-GB")

    assert "4.119,75 EUR" in page.locator(".fact.blocked").inner_text()


@pytest.mark.parametrize(
    ("options", "scripts", "expected"),
    [((), True, "14:48 CET"), ((), False, "13:48 UTC"), (("--time-zone", "Asia/Kolkata"), True, "19:18 IST")],
)
def test_times_are_in_the_readers_zone(
    make_report: Make, open_page: Open, options: tuple[str, ...], scripts: bool, expected: str
) -> None:
    made = make_report(books.scene(), *options)

    page = open_page(made.html, timezone_id="Europe/Copenhagen", java_script_enabled=scripts)

    assert f"created 3 Mar 2026, {expected} " in page.locator(".about").first.inner_text()


def test_page_without_scripts_lacks_only_the_filters(make_report: Make, open_page: Open) -> None:
    page = open_page(make_report(books.scene()).html, java_script_enabled=False)

    assert visible(page) == 34
    assert not page.locator("#filters").is_visible()
    assert page.locator("button:visible").count() == 0
    assert "4,119.75 EUR" in page.locator(".fact.blocked").inner_text()
    page.click("summary")
    assert page.locator("table.plain tbody tr").first.is_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits_the_screen_and_is_accessible(
    request: pytest.FixtureRequest, make_report: Make, open_page: Open, width: int, scheme: str
) -> None:
    if PICTURES:
        made = make_report(request.getfixturevalue("demo_messages"), env={"SOURCE_DATE_EPOCH": str(int(time.time()))})
    else:
        made = make_report(books.validated(books.items(passed=12)))
    page = open_page(made.html, width, color_scheme=scheme)
    page.click("summary")
    # Axe ignores rows far from the screen.
    page.set_viewport_size({"width": width, "height": 20_000})

    assert page.evaluate("document.documentElement.scrollWidth") == width
    widths = page.eval_on_selector_all("tbody .c-amount", "cells => cells.map(cell => cell.offsetWidth)")
    assert min(widths) > WIDTH_OF_AN_AMOUNT
    assert_accessible(page)
    if PICTURES:
        page.click("summary")
        page.set_viewport_size({"width": width, "height": 1500})
        page.screenshot(path=Path(PICTURES) / f"report-{width}-{scheme}.png")


def test_empty_report_is_a_complete_page(make_report: Make, open_page: Open) -> None:
    page = open_page(make_report(books.validated([])).html)

    assert page.locator("h1").inner_text() == "Nothing is blocked"
    assert_accessible(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_cards_of_jobs_that_are_over_are_accessible(make_report: Make, open_page: Open, width: int) -> None:
    page = open_page(make_report(exported_again()).html, width)

    over, running = page.locator(".job").all_inner_texts()
    assert "Counted in another job\n4" in over
    assert "1 to be corrected in Pleo" in running
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert_accessible(page)


def test_hostile_text_is_shown_and_not_run(make_report: Make, open_page: Open) -> None:
    records = []
    for number, text in enumerate(HOSTILE, 1):
        texts: dict[str, Any] = {"name": text, "code": None}
        record: dict[str, Any] = {"date": text, "note": text} | dict.fromkeys(("user", "supplier"), texts)
        record |= {"amount": {"inWalletCurrency": {"currency": text, "value": number}}, "type": text[:200]}
        record |= {"accountingEntryLines": [books.line(texts)], "_links": {"web": {"exportItem": text}}}
        records.append(mapper.failing(number, **record))
    made = make_report(books.validated(records, {"configuration": []}))

    assert made.returncode == 0, made.errors
    for width in WIDTHS:
        page = open_page(made.html, width)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert "<script>alert('script')</script>" in column(page, "person")
        assert page.locator("#items a").count() == 0
        assert page.locator("script").count() == 1
    assert len(made.page) < 200_000


def test_injected_script_is_not_run(make_report: Make, browser: Any) -> None:
    made = make_report(books.scene())
    made.html.write_text(made.page.replace("</h1>", "</h1><script>document.title='owned'</script><img src=http://x/>"))
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(made.html.as_uri())

    assert page.title() == "Pleo export: 34 of 208 items blocked"
    assert len([text for text in said if "Content Security Policy" in text]) == 2
    page.close()


def test_print_on_a4_has_every_blocked_item(make_report: Make, open_page: Open, tmp_path: Path) -> None:
    page = open_page(make_report(books.scene()).html)
    page.emulate_media(media="print")

    assert not page.locator("#filters").is_visible()
    assert visible(page) == 34
    data = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    width, height = map(float, re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)[0])
    assert (round(width), round(height)) == (595, 842)
    assert 2 <= len(re.findall(rb"/Type /Page\b", data)) <= 5


def test_5000_rows_load_search_and_sort_within_two_seconds(make_report: Make, open_page: Open) -> None:
    made = make_report(b"".join(map(mapper.line, books.many(12_000))))
    assert "This page lists the" in made.page

    page = open_page(made.html)
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    spent = [seconds(metrics)]
    field = "document.getElementById('f-text')"
    search = f"{field}.value = 'priya nair'; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    sort = "document.querySelector('#items th.c-supplier button').click()"
    for action in (search, sort):
        page.evaluate(f"() => {{ {action}; document.body.getBoundingClientRect(); }}")
        spent.append(seconds(metrics))

    # Processor time, because tests share the machine.
    assert spent[-1] < 2, spent
    assert visible(page) == len([item for item in range(1000, 6000) if books.PEOPLE[item % 6] == "Priya Nair"])


def seconds(metrics: Any) -> float:
    """Return the processor time of the page's thread."""
    found = metrics.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in found if metric["name"] == "ThreadTime")
