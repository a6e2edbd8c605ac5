"""Draw docs/books.png: the vouchers of ``make erp-demo`` as a beancount file, shown by fava.

``python -m tools.docs.books_picture PATH/TO/fava`` after ``make erp-demo``; fava 1.30 is installed separately.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tools import postgres
from tools.meltano import CHECKOUT

DATA = CHECKOUT / ".demo" / "erp" / "postgres"
PICTURE = CHECKOUT / "docs" / "books.png"
KINDS = {
    "line": "Expenses",
    "fees": "Expenses",
    "otherIncome": "Income",
    "outgoingTax": "Liabilities",
    "outOfPocket": "Liabilities",
    "accountsPayable": "Liabilities",
}
"""Kinds of accounts by role; all others are assets."""
_LEGS = """
    select
        voucher_id, posting_date, text, currency, document, role,
        coalesce(account_code, account_identifier), coalesce(account_name, role), l.amount
    from pleo_models.pleo__vouchers join pleo_models.pleo__voucher_lines as l using (voucher_id)
    where currency = 'EUR' order by posting_date, voucher_id, line_number
"""


def ledger(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a beancount file of the EUR company, without a tolerance."""
    yield from (
        'option "title" "Nordlys GmbH"',
        'option "operating_currency" "EUR"',
        'option "tolerance_multiplier" "0"',
    )
    # An account that several roles use has the kind of the first.
    names: dict[str, str] = {}
    for *_, role, code, name, _amount in rows:
        label = re.sub(r"[\W_]+", "-", name).strip("-") or role
        names.setdefault(code, f"{KINDS.get(role, 'Assets')}:{re.sub(r'[^A-Za-z0-9]', '-', code).title()}-{label}")
    yield from (f"1900-01-01 open {account}" for account in names.values())
    last = None
    for voucher, day, text, currency, document, _role, code, _name, amount in rows:
        if voucher != last:
            narration = re.sub(r'["\\\n]', " ", text or "")
            yield f'\n{day} * "{document}" "{narration}"'
            last = voucher
        yield f"  {names[code]}  {amount:f} {currency}"


@retry(retry=retry_if_exception_type(requests.ConnectionError), stop=stop_after_delay(30), wait=wait_fixed(0.2))
def _page(url: str) -> str:
    return requests.get(url, timeout=10).url


def main() -> None:
    """Write the file, start fava, and take the picture with the machine's Chromium."""
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, postgres.running(DATA) as server:
        with server.connect() as connection:
            rows = connection.execute(_LEGS).fetchall()
        file = Path(folder) / "pleo.beancount"
        file.write_text("\n".join(ledger(rows)) + "\n", "utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with subprocess.Popen([sys.argv[1], "--port", str(port), str(file)]) as fava, sync_playwright() as playwright:
            home = _page(f"http://127.0.0.1:{port}/")
            page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page(
                viewport={"width": 1280, "height": 600}
            )
            page.goto(home.replace("income_statement", "trial_balance"))
            page.wait_for_load_state("networkidle")
            # Without the charts.
            page.get_by_text("▼", exact=True).last.click()
            page.screenshot(path=PICTURE, full_page=True)
            fava.terminate()


if __name__ == "__main__":
    main()
