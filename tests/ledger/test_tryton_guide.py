"""The configuration and commands of docs/tryton.md as printed, from a local Pleo to a real Tryton and back."""

from __future__ import annotations

from pathlib import Path

import pytest

import tools.tryton
from demo.books import outbox_settings
from sandbox import Sandbox
from sandbox.kinds import KINDS
from tests.e2e.test_reporting import writing
from tests.helpers.guides import follow, printed
from tools import postgres
from tools.meltano import MeltanoProject

pytestmark = [pytest.mark.ledger, pytest.mark.timeout(900)]
# Of `meltano.yml`, and some of the items: Tryton refuses the others.
ACCOUNTS = {
    "1240": "asset",
    "1910": "asset",
    "2440": "payable",
    "2890": "employee",
    "1575": "tax",
    **dict.fromkeys(("6100", "6805", "0650", "7310"), "expense"),
}


def replaced(text: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        assert text.count(placeholder) == 1
        text = text.replace(placeholder, value)
    return text


def test_from_items_to_tryton_and_back(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.serve_files = True
    job = pleo.add_job(items=len(KINDS), status="in_progress")
    year = pleo.now().year
    accounts = [{"code": code, "name": code, "kind": kind} for code, kind in ACCOUNTS.items()]
    company = {"name": "Nordlys ApS", "currency": "EUR", "closed": [], "accounts": accounts}
    data, receipts = tmp_path / "postgres", tmp_path / "receipts"
    tools.tryton.copy_cluster(data)
    world = {"years": [year - 1, year], "companies": [company]}
    with postgres.running(data) as server, tools.tryton.running(server, world, folder=tmp_path) as tryton:
        server.create_database("warehouse")
        settings = writing(pleo, COMPLETE_JOBS="true") | outbox_settings(server, "warehouse")
        settings |= {
            "TAP_PLEO_EXPORT_API_URL": pleo.url,
            "TAP_PLEO_EXPORT_API_KEY": pleo.api_key,
            "TARGET_POSTGRES_SQLALCHEMY_URL": server.url("warehouse"),
            "MAP_PLEO_ATTACHMENTS_DESTINATION": str(receipts),
            "MAP_PLEO_ATTACHMENTS_ALLOW_HOSTS": '["127.0.0.1"]',
            "DBT_POSTGRES_HOST": str(server.socket),
            "DBT_POSTGRES_DBNAME": "warehouse",
        }
        project = MeltanoProject(tmp_path / "project", settings)
        values = {
            "/srv/pleo/receipts": str(receipts),
            "12abc3d4-e567-890e-1234-abc56e78fabc": str(job.record["companyId"]),
            "https://tryton.example": tryton.url,
            'database = "books"': f'database = "{tryton.database}"',
            'user = "pleo"': f'user = "{tryton.user}"',
        }
        (project.root / "books.toml").write_text(replaced(printed("tryton.md", "books.toml"), values))
        values = {"postgresql://…": f"'{server.url('warehouse')}'", "PASSWORD=…": f"PASSWORD={tryton.password}"}
        script = replaced(printed("tryton.md", "book.sh"), values)
        follow(script, project.root, project.environment)

    outcomes = job.outcomes.values()
    assert any(outcome.get("externalId") for outcome in outcomes)
    assert any("Tryton" in outcome.get("failureReason", "") for outcome in outcomes)
    assert (len(outcomes), any(receipts.iterdir())) == (len(KINDS), True)
    assert job.record["status"] == "completed_with_errors"
