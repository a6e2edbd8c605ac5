"""Random items of every type, sign, split, tax and currency: legs by the rules, judged by bean-check."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.voucher_records import BOOKING, Load, item, line
from tests.helpers.voucher_world import legs_of
from tests.helpers.warehouse import Warehouse
from tests.transform.bean_check import check, ledger
from tests.transform.test_vouchers import comparable, expected

if TYPE_CHECKING:
    from tools.postgres import Postgres

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
ITEMS = 300
TAXES: dict[str, dict[str, Any]] = {
    "exclusive": {},
    "inclusive": {"type": "inclusive"},
    "reverse": {"type": "reverse", "outgoing": "1787"},
    "half_a_reverse": {"type": "reverse"},
    "no_account": {"ingoing": None},
    "in_dollars": {"currency": "USD"},
}
GROSS = st.one_of(st.integers(-500_000, 500_000), st.decimals(-10_000, 10_000, places=3))
LINE = st.tuples(GROSS, st.sampled_from([None, *TAXES]), st.sampled_from([0, 0, 1, -1, 2]))
ITEM = st.tuples(
    st.sampled_from(sorted(BOOKING, key=str)),
    st.sampled_from(["EUR", "JPY", "KWD"]),
    st.lists(LINE, min_size=1, max_size=4),
)


def drawn_line(gross: Decimal, tax: str | None, off: int, currency: str) -> dict[str, Any]:
    """Return a line; net and tax differ from gross by `off` minor units."""
    if tax is None:
        return line(gross, currency=currency)
    amount = (gross * 19 / 119).to_integral_value()
    net = gross if tax == "reverse" else gross - amount - off
    return line(gross, net=net, currency=currency, tax={"amount": amount} | TAXES[tax])


def drawn_item(number: int, drawn: Any) -> dict[str, Any]:
    """Return an item whose lines add up to its amount."""
    (method, kind, sub_type), currency, lines = drawn
    total = sum((Decimal(gross) for gross, *_ in lines), Decimal(0))
    return item(
        number,
        kind,
        total,
        method=method,
        currency=currency,
        subType=sub_type,
        accountingEntryLines=[drawn_line(Decimal(gross), tax, off, currency) for gross, tax, off in lines],
    )


@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(drawn=st.lists(ITEM, min_size=ITEMS, max_size=ITEMS))
def test_random_items_have_the_legs_that_the_rules_give(
    server: Postgres, tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("random")
    made = Warehouse("duckdb", folder, server, "postgres", folder)
    records = {str(number): drawn_item(number, each) for number, each in enumerate(drawn, 1)}
    load = Load()
    load.job(1)
    for record in records.values():
        load.deliver(1, record)
    load.into_files(folder)
    made.build()

    with localcontext(Context(prec=60)):
        found = {voucher: sorted(map(comparable, legs)) for voucher, legs in legs_of(made).items()}
    assert found == expected(records)
    assert check(ledger(made), folder) == ""
