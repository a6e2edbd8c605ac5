"""The commands and blocks of docs/workflow.md, validation.md, operating.md, warehouse.md and accounting-systems.md."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
import yaml

from demo.books import outbox_settings
from sandbox import Sandbox
from sandbox.kinds import KINDS
from tests.conftest import BIN, CHECKOUT
from tests.e2e.test_reporting import writing
from tests.e2e.test_result_files import report
from tests.helpers import guides
from tests.helpers.guides import all_printed, printed
from tests.helpers.warehouse import Warehouse
from tools.expectation import expected_items, loaded_keys
from tools.meltano import MeltanoProject
from tools.postgres import Postgres

JOB = "8eb648ab-464b-42a0-ba17-eda703657e33"
STATUSES = ("pending", "in_progress", "failed")
COMPANY = "12abc3d4-e567-890e-1234-abc56e78fabc"


@pytest.fixture
def project(
    new_project: Callable[..., MeltanoProject], postgres: Postgres, database: str, pleo: Sandbox
) -> MeltanoProject:
    return new_project(pleo, TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database), **writing(pleo))


def follow(script: str, project: MeltanoProject, **variables: str) -> subprocess.CompletedProcess[str]:
    return guides.follow(script, project.root, project.environment | variables)


def loaded_once(postgres: Postgres, database: str, pleo: Sandbox) -> bool:
    with postgres.connect(database) as connection:
        return loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(pleo, STATUSES), 1)


def plugins_of(project: MeltanoProject, kind: str, block: str) -> None:
    """Add the plugins that a block declares."""
    file = project.root / "meltano.yml"
    content = yaml.safe_load(file.read_text("utf-8"))
    content["plugins"].setdefault(kind, []).extend(yaml.safe_load(block)[kind])
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def test_failed_items_are_marked(pleo: Sandbox, project: MeltanoProject) -> None:
    job = pleo.add_job(items=len(KINDS), status="in_progress")

    follow(printed("workflow.md", "failures.sh"), project)

    assert len(job.outcomes) == 3
    assert job.running


def test_load_and_report(pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str) -> None:
    job = pleo.add_job(items=len(KINDS), status="in_progress")
    script = printed("workflow.md", "load-and-report.sh")
    (tasks,) = [
        each["tasks"]
        for each in yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))["jobs"]
        if each["name"] == "pleo-load-and-report"
    ]

    follow(script, project, TAP_PLEO_EXPORT_ITEM_STATUSES=json.dumps(STATUSES))

    assert script == f"meltano run {' '.join(tasks)}\n"
    assert loaded_once(postgres, database, pleo)
    assert len(job.outcomes) == 3


def test_result_files(pleo: Sandbox, project: MeltanoProject) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    text = printed("workflow.md", "results.jsonl").replace(JOB, job.id)
    for line, entry in zip(text.splitlines(), job.item_statuses, strict=True):
        text = text.replace(json.loads(line)["accountingEntryId"], entry)
    (project.root / "results").mkdir()
    (project.root / "results" / "today.jsonl").write_text(text)

    code, words, _ = report(project)

    assert (code, words[0].partition(";")[0]) == (0, "2 accepted, 0 already reported, 0 refused, 0 unsent")


def test_mappings_of_a_company(pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str) -> None:
    job = pleo.add_job(items=len(KINDS), status="in_progress")
    file = project.root / "meltano.yml"
    before, _, rest = file.read_text("utf-8").partition("    mappings:\n")
    _, _, after = rest.partition("  - name: map-pleo-attachments\n")
    mappings = printed("validation.md", "Setting it up").replace(COMPANY, str(job.record["companyId"]))
    indented = "".join(f"    {line}" for line in mappings.splitlines(keepends=True))
    file.write_text(f"{before}{indented}  - name: map-pleo-attachments\n{after}", "utf-8")
    accounts = {
        line["account"]["code"] for item in job.items for line in item["accountingEntryLines"] if line["account"]
    }
    codes = "\n".join(sorted(filter(None, accounts)))
    (project.root / "lists").mkdir()
    (project.root / "lists" / "gl-accounts.csv").write_text(f"code\n{codes}\n")

    follow(printed("validation.md", "Validating export items"), project)
    follow(printed("workflow.md", "failures.sh"), project)

    with postgres.connect(database) as connection:
        failed = connection.execute("select count(*) from pleo.export_items_failed").fetchall()
        updates = connection.execute("select count(*) from pleo.export_job_item_updates").fetchall()
    assert failed == updates == [(len(job.outcomes),)]
    assert len(job.outcomes) > 0


def test_the_report_is_a_step_of_a_pipeline(
    pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str
) -> None:
    pleo.add_job(items=3)
    plugins_of(project, "utilities", printed("validation.md", "report.yml"))
    # Tests have no network: what Meltano installs is linked from the checkout.
    utilities = project.root / ".meltano" / "utilities"
    utilities.unlink()
    binaries = utilities / "pleo-export-report" / "venv" / "bin"
    binaries.mkdir(parents=True)
    # Not the environment itself: Meltano would empty it, if it installed.
    (binaries / "pleo-export-report").symlink_to(BIN / "pleo-export-report")

    follow(
        printed("validation.md", "report.sh"),
        project,
        PLEO_EXPORT_REPORT_SQLALCHEMY_URL=postgres.url(database),
    )

    assert "<html" in (project.root / "report.html").read_text("utf-8")
    assert (project.root / "report.csv").read_text("utf-8-sig").count("\n") == 4


def test_a_company_with_a_credential(pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str) -> None:
    job = pleo.add_job(items=3)
    plugins_of(project, "extractors", printed("operating.md", "uk.yml").replace(JOB, str(job.record["companyId"])))
    del project.settings["TAP_PLEO_EXPORT_API_KEY"]

    follow(printed("operating.md", "uk.sh").replace("=...", f"={pleo.api_key}"), project)

    assert loaded_once(postgres, database, pleo)
    assert project.state("sandbox:tap-pleo-export--uk-to-target-postgres")


@pytest.mark.warehouse
@pytest.mark.timeout(900)
def test_models_on_both_databases(pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str) -> None:
    pleo.add_job(items=len(KINDS))
    on_postgres, on_duckdb = printed("warehouse.md", "Warehouse: books that an accountant can check").splitlines()

    follow(on_postgres, project, **models(postgres, database))
    follow(on_duckdb, project)

    with postgres.connect(database) as connection:
        ((vouchers,),) = connection.execute("select count(*) from pleo_models.pleo__vouchers").fetchall()
    assert vouchers > 0
    made = Warehouse("duckdb", project.root / "output", postgres, database, project.root / "output")
    assert made.rows("select count(*) from pleo__vouchers") == [(vouchers,)]


def models(postgres: Postgres, database: str) -> dict[str, str]:
    """Return the settings of the models on PostgreSQL, and of the outbox."""
    place = {"DBT_POSTGRES_HOST": str(postgres.socket), "DBT_POSTGRES_DBNAME": database}
    return place | outbox_settings(postgres, database)


@pytest.mark.warehouse
@pytest.mark.timeout(900)
def test_into_an_accounting_system(pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str) -> None:
    job = pleo.add_job(items=len(KINDS), status="in_progress")
    (config,) = all_printed("accounting-systems.md", "toml")
    receipts = project.root / "receipts"
    receipts.mkdir()
    for printed_, real in {
        COMPANY: str(job.record["companyId"]),
        "/srv/pleo/receipts": str(receipts),
        '"tryton"': '"tests.ledger.reference:Reference"',
        'url = "https://erp.example"': f'file = "{project.root / "ledger.sqlite"}"',
    }.items():
        assert config.count(printed_) == 1
        config = config.replace(printed_, real)
    (project.root / "books.toml").write_text(config)
    variables = models(postgres, database) | {
        "PLEO_EXPORT_BOOKS_DATABASE_URL": postgres.url(database),
        "PYTHONPATH": str(CHECKOUT),
    }

    booked = follow(printed("accounting-systems.md", "Into an accounting system"), project, **variables)
    # The models take over refusals, and the outbox completes the job.
    follow("meltano run --no-install dbt-postgres:models", project, **variables)
    follow(printed("warehouse.md", "outbox.sh"), project, **variables, TARGET_PLEO_EXPORT_COMPLETE_JOBS="true")

    assert " booked, 0 found, " in booked.stdout
    assert any(outcome.get("externalId") for outcome in job.outcomes.values())
    assert job.record["status"] == "completed_with_errors"
