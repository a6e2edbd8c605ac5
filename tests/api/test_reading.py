"""The client reads jobs and items without Singer."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from sandbox import Sandbox
from tap_pleo_export.api.errors import JobEnded
from tap_pleo_export.api.pleo_api import PleoApi
from tests.helpers.guides import all_printed
from tests.helpers.items import all_ids


@pytest.fixture
def api(pleo: Sandbox) -> Iterator[PleoApi]:
    settings = {"api_url": pleo.url, "api_key": pleo.api_key, "max_requests_per_minute": 500, "max_retries": 0}
    api = PleoApi.from_settings(
        settings | {"request_timeout": 60, "page_size": 10}, user_agent="test", scopes=["export-jobs:read"]
    )
    yield api
    api.close()


def test_the_documented_example_lists_the_items_of_each_job(
    pleo: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [pleo.add_job(items=3), pleo.add_job(items=2)]
    monkeypatch.setenv("PLEO_API_URL", pleo.url)
    monkeypatch.setenv("PLEO_API_KEY", pleo.api_key)
    (example,) = all_printed("api-client.md", "python")

    exec(compile(example, "api-client.md", "exec"), {})  # noqa: S102 - the example

    shown = [line.split(" ")[:2] for line in capsys.readouterr().out.splitlines()]
    assert sorted(shown) == sorted([job.id, id_] for job in jobs for id_ in all_ids(job))


def test_rows_are_plain_values_and_fractions_are_exact(pleo: Sandbox, api: PleoApi) -> None:
    job = pleo.add_job(items=25)
    job.items[0]["exchangeRate"] = Decimal("7.4512345678901234567")

    assert api.job(job.id)["id"] == job.id
    assert [row["id"] for row in api.jobs(company_id=job.record["companyId"])] == [job.id]
    assert [row["accountingEntryId"] for row in api.job_items(job.id)] == all_ids(job)
    items = list(api.export_items(job.id))
    assert [item["accountingEntryId"] for item in items] == all_ids(job)
    assert items[0]["exchangeRate"] == Decimal("7.4512345678901234567")


def test_a_job_that_has_ended_is_an_error_of_that_job(pleo: Sandbox, api: PleoApi) -> None:
    job = pleo.add_job(items=1)
    job.finish("completed", pleo.now())

    with pytest.raises(JobEnded, match=job.id):
        next(api.export_items(job.id))


@pytest.mark.parametrize("id_", ["../../v1/introspect", "{8eb648ab-464b-42a0-ba17-eda703657e33}", ""])
def test_only_a_plain_uuid_becomes_part_of_a_request(pleo: Sandbox, api: PleoApi, id_: str) -> None:
    for read in (api.job, api.job_items, api.export_items):
        with pytest.raises(ValueError, match="UUID"):
            read(id_)

    assert pleo.requests == []
