"""The commands and queries of docs/recover.md, as printed, each after the accident that it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from sandbox.kinds import KINDS
from tests.helpers.guides import follow, printed
from tools.expectation import expected_items, loaded_keys
from tools.meltano import MeltanoProject
from tools.postgres import Postgres

JOB = "8eb648ab-464b-42a0-ba17-eda703657e33"
ITEMS = "/v3/export-items"


class World:
    """A Pleo, a project that loads it, and the warehouse."""

    def __init__(self, pleo: Sandbox, project: MeltanoProject, server: Postgres, database: str) -> None:
        self.pleo = pleo
        self.project = project
        self._server, self._database = server, database

    def run(self, script: str, *, code: int = 0, job: str = JOB) -> str:
        done = follow(script.replace(JOB, job), self.project.root, self.project.environment, code=code)
        return done.stdout + done.stderr

    def rows(self, query: str, *values: str) -> list[tuple[object, ...]]:
        with self._server.connect(self._database) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def loaded_once(self) -> bool:
        with self._server.connect(self._database) as connection:
            return loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(self.pleo), 1)

    def requests(self) -> int:
        return len(self.pleo.requests_to(ITEMS))


@pytest.fixture
def world(pleo: Sandbox, new_project: Callable[..., MeltanoProject], postgres: Postgres, database: str) -> World:
    settings = {"TARGET_POSTGRES_SQLALCHEMY_URL": postgres.url(database), "TAP_PLEO_EXPORT_MAX_RETRIES": "0"}
    return World(pleo, new_project(pleo, **settings), postgres, database)


def test_a_broken_run_and_a_lost_state(world: World) -> None:
    world.pleo.add_job(items=250)
    world.pleo.add_fault(Fault(path=ITEMS, nth=2, status=500, times=9))
    world.run(printed("recover.md", "A run broke off"), code=1)
    assert not world.loaded_once()
    world.pleo.faults.clear()

    world.run(printed("recover.md", "A run broke off"))
    assert world.loaded_once()

    (world.project.root / ".meltano" / "meltano.db").unlink()
    before = world.requests()
    world.run(printed("recover.md", "A run broke off"))
    assert world.requests() == before + 3
    assert world.rows(printed("recover.md", "The state is lost")) == []
    assert world.loaded_once()


def test_rows_that_are_missing(world: World) -> None:
    job, other = world.pleo.add_job(items=5), world.pleo.add_job(items=3)
    world.run(printed("recover.md", "A run broke off"))
    deleted = job.items[0]["accountingEntryId"]
    world.rows('DELETE FROM pleo.export_items WHERE "accountingEntryId" = %s', deleted)
    before = world.requests()

    assert [row[:2] for row in world.rows(printed("recover.md", "Missing items"))] == [(job.id, deleted)]
    world.run(printed("recover.md", "Read one job again"), job=job.id)

    assert world.loaded_once()
    assert world.rows(printed("recover.md", "Missing items")) == []
    # The state is as before: no job is read again.
    world.run(printed("recover.md", "A run broke off"))
    assert world.requests() == before + 1
    assert other.running


def test_wrong_accounts(world: World) -> None:
    world.pleo.add_job(items=len(KINDS))
    file = world.project.root / "meltano.yml"
    right = file.read_text("utf-8")
    file.write_text(right.replace("outOfPocket: '2890'", "fees: '2890'"), "utf-8")
    failed = "SELECT count(*) FROM pleo.export_items WHERE \"validationStatus\" = 'failed'"
    world.run(printed("recover.md", "A run broke off"))
    ((wrongly,),) = world.rows(failed)
    file.write_text(right, "utf-8")

    world.run(printed("recover.md", "Wrong accounts"))

    assert world.rows(failed) == [(3,)]
    assert int(str(wrongly)) > 3
    assert world.loaded_once()


def test_items_marked_as_failed_by_mistake(world: World) -> None:
    job = world.pleo.add_job(items=4, status="in_progress")
    entry = job.items[0]["accountingEntryId"]
    reason = {"failureReasonType": "unexpected_failure", "failureReason": "By mistake"}
    job.update(entry, {"status": "failed", **reason}, world.pleo.now())
    world.run(printed("recover.md", "A run broke off"))
    loaded = 'SELECT "itemStatus" FROM pleo.export_items WHERE "accountingEntryId" = %s'
    assert world.rows(loaded, entry) == []

    world.run(printed("recover.md", "Marked as failed by mistake"))

    assert world.rows(loaded, entry) == [("failed",)]


def test_new_oauth_credentials(world: World, tmp_path: Path) -> None:
    world.project.settings |= {
        "TAP_PLEO_EXPORT_API_KEY": "",
        "TAP_PLEO_EXPORT_CLIENT_ID": world.pleo.client_id,
        "TAP_PLEO_EXPORT_CLIENT_SECRET": world.pleo.client_secret,
        "TAP_PLEO_EXPORT_AUTH_URL": world.pleo.auth_url,
        "TAP_PLEO_EXPORT_TOKEN_FILE": str(tmp_path / "tokens.json"),
        "TAP_PLEO_EXPORT_REFRESH_TOKEN": world.pleo.refresh_token,
    }
    assert "Connected to" in world.run(printed("recover.md", "New credentials"))
    # The bookkeeper authorises the connector again, which ends the old tokens.
    world.pleo.authorise_anew()
    assert "could not be refreshed" in world.run(printed("recover.md", "New credentials"), code=1)

    world.project.settings["TAP_PLEO_EXPORT_REFRESH_TOKEN"] = world.pleo.refresh_token
    assert "Connected to" in world.run(printed("recover.md", "New credentials"))
