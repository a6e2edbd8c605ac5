"""The companies of a world, as the Companies API lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.conformance import violations

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.sandbox.conftest import Client


def test_each_company_with_jobs_is_listed_once(pleo: Sandbox, client: Client) -> None:
    first = pleo.add_job(items=1)
    second = pleo.add_job(items=1)
    pleo.add_job(items=1, company_id=first.record["companyId"].upper())

    page = client.get("/v1/companies").json()

    assert [company["id"] for company in page["data"]] == [job.record["companyId"] for job in (first, second)]
    assert page["pagination"]["hasNextPage"] is False


def test_companies_come_in_pages(pleo: Sandbox, client: Client) -> None:
    for _ in range(3):
        pleo.add_job(items=1)

    first = client.get("/v1/companies", limit="2").json()
    second = client.get("/v1/companies", limit="2", after=first["pagination"]["endCursor"]).json()

    assert (len(first["data"]), len(second["data"])) == (2, 1)


def test_one_company_is_served_by_its_id(pleo: Sandbox, client: Client) -> None:
    company = pleo.add_job(items=1).record["companyId"]

    assert client.get(f"/v1/companies/{company}").json()["data"]["id"] == company
    assert client.get("/v1/companies/00000000-0000-4000-8000-000000000000").status_code == 404


def test_a_company_is_what_pleo_documents(pleo: Sandbox, client: Client) -> None:
    pleo.add_job(items=1)

    page = client.get("/v1/companies").json()

    assert violations("ExternalCompanyResponseModel", page["data"][0]) == []
    assert violations("CursorPageInfo", page["pagination"]) == []


def test_companies_are_those_of_the_organization(pleo: Sandbox, client: Client) -> None:
    company = pleo.add_job(items=1).record["companyId"]
    organization = client.get("/v1/companies").json()["data"][0]["organizationId"]

    asked = client.get("/v1/companies", organization_id=organization.upper())
    other = client.get("/v1/companies", organization_id="00000000-0000-4000-8000-000000000000")

    assert [found["id"] for found in asked.json()["data"]] == [company]
    assert other.status_code == 403


def test_companies_need_credentials(client: Client) -> None:
    client.session.auth = None

    assert client.get("/v1/companies").status_code == 401
