"""Vouchers as a beancount file, and what bean-check says of it: a judge that knows nothing of this project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers.warehouse import Warehouse


def ledger(warehouse: Warehouse) -> str:
    """Return every voucher as a transaction; accounts are opened as they occur, the tolerance is zero."""
    rows = warehouse.rows(
        "select vouchers.voucher_id, vouchers.posting_date, vouchers.currency, "
        "coalesce(lines.account_code, lines.account_identifier), lines.debit - lines.credit "
        "from pleo__vouchers as vouchers inner join pleo__voucher_lines as lines "
        "on lines.voucher_id = vouchers.voucher_id order by vouchers.voucher_id, lines.line_number"
    )
    text = ['option "tolerance_multiplier" "0"']
    text += [f"1900-01-01 open Assets:A{account}" for account in sorted({account for *_, account, _ in rows})]
    last = None
    for voucher, day, currency, account, amount in rows:
        if voucher != last:
            text.append(f'\n{day} * "{voucher}"')
            last = voucher
        text.append(f"  Assets:A{account}  {format(amount, 'f')} {currency}")
    return "\n".join(text) + "\n"


def check(text: str, folder: Path) -> str:
    """Return what bean-check complains of: nothing if all is well."""
    file = folder / "ledger.beancount"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "beancount.scripts.check", str(file)], capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).strip()
