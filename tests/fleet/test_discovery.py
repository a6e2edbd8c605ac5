from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_pleo_export import companies
from dagster_pleo_export.companies import Fleet
from dagster_pleo_export.discovery import Discovery, DiscoveryResult
from sandbox import Fault, Sandbox

JOBS = "/v3/export-jobs"


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


@pytest.fixture
def new_fleet(pleo: Sandbox, tmp_path: Path) -> Callable[..., Fleet]:
    """Return a function that makes a fleet of N companies, each with its own credential."""

    def make(count: int, credentials: dict[str, Any] | None = None, **more: Any) -> Fleet:
        (tmp_path / "right.key").write_text(pleo.api_key)
        (tmp_path / "wrong.key").write_text("planted-key-that-is-wrong")
        pattern = {"api_key": {"file": "right.key"}, "webhook_secret": {"env": "{credential}"}}
        file = {
            "companies": [{"id": f"c{number}", "company_id": uuid(number)} for number in range(count)],
            "credentials": {"*": pattern, **(credentials or {})},
            "settings": {"api_url": pleo.url},
        }
        (tmp_path / "fleet.yml").write_text(yaml.safe_dump(file | more))
        return companies.read(tmp_path / "fleet.yml")

    return make


def ask_all(discovery: Discovery, fleet: Fleet, seconds: float = 30) -> dict[str, DiscoveryResult]:
    return {result.company: result for result in discovery.ask_all(fleet, fleet.companies.values(), seconds)}


def test_one_request_per_company_lists_its_readable_jobs(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    job = pleo.add_job(items=3, company_id=uuid(1), expires_in=600)
    pleo.add_job(items=3, status="completed", company_id=uuid(2))

    found = ask_all(Discovery(4), new_fleet(3))

    assert [request.query["company_id"] for request in pleo.requests_to(JOBS)].count([uuid(1)]) == 1
    assert len(pleo.requests) == 3
    assert {name: result.failure for name, result in found.items()} == {"c0": None, "c1": None, "c2": None}
    (seen,) = found["c1"].jobs
    assert (seen.id, seen.number_of_items) == (job.id, 3)
    assert seen.created_at
    assert seen.expires_at == seen.created_at + timedelta(minutes=10)
    assert found["c0"].jobs == found["c2"].jobs == ()


def test_companies_are_asked_concurrently_over_kept_alive_connections(
    pleo: Sandbox, new_fleet: Callable[..., Fleet]
) -> None:
    pleo.add_fault(Fault(path=JOBS, nth=None, kind="delay", seconds=0.1))
    fleet, discovery = new_fleet(40), Discovery(8)

    ask_all(discovery, fleet)
    ask_all(discovery, fleet)

    assert len(pleo.requests) == 80
    assert pleo.connections.accepted <= 8


def test_companies_not_started_in_time_are_left_out(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    pleo.add_fault(Fault(path=JOBS, nth=None, kind="delay", seconds=0.2))

    found = ask_all(Discovery(2), new_fleet(50), 0.5)

    assert 2 <= len(found) < 50
    assert all(result.failure is None for result in found.values())


def test_a_company_without_an_answer_does_not_delay_the_others(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    pleo.add_fault(Fault(path=JOBS, query={"company_id": uuid(0)}, nth=None, kind="delay", seconds=30))
    fleet = new_fleet(3, discovery={"request_timeout": 1})

    began = time.monotonic()
    found = ask_all(Discovery(3), fleet, 1)

    assert time.monotonic() - began < 10
    assert [found[name].failure is None for name in ("c0", "c1", "c2")] == [False, True, True]


def test_failures_name_the_remedy_and_no_secrets(new_fleet: Callable[..., Fleet]) -> None:
    fleet = new_fleet(3, {"c0": {"api_key": {"file": "wrong.key"}}, "c1": {"api_key": {"file": "no.key"}}})

    found = ask_all(Discovery(3), fleet)

    assert str(found["c0"].failure).startswith("Pleo rejected the credentials (401 on /v3/export-jobs)")
    assert "no.key cannot be read" in str(found["c1"].failure)
    assert found["c2"].failure is None
    assert "planted" not in str(found)


def test_a_corrected_credential_is_used_by_the_next_request(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    discovery = Discovery(1)
    fleet = new_fleet(1, {"c0": {"api_key": {"file": "wrong.key"}}})
    assert ask_all(discovery, fleet)["c0"].failure

    (fleet.folder / "wrong.key").write_text(pleo.api_key)

    assert ask_all(discovery, fleet)["c0"].failure is None


def test_a_credential_that_pleo_accepts_again_works_at_the_second_look(
    pleo: Sandbox, new_fleet: Callable[..., Fleet]
) -> None:
    planted = {"client_id": pleo.client_id, "client_secret": pleo.client_secret, "refresh_token": pleo.refresh_token}
    oauth: dict[str, Any] = {name: {"file": name} for name in planted}
    discovery, fleet = Discovery(1), new_fleet(1, {"c0": oauth | {"token_file": "t.json", "auth_url": pleo.auth_url}})
    for name, secret in planted.items():
        (fleet.folder / name).write_text(secret)
    pleo.add_fault(Fault(path="/oauth/token", method="POST", times=2, status=400, body={"error": "invalid_grant"}))
    assert ask_all(discovery, fleet)["c0"].failure
    pleo.faults.clear()

    # The settings are the same; the client that has failed with them must not be used again.
    assert ask_all(discovery, fleet)["c0"].failure is None


def test_a_job_that_is_not_readable_is_dropped_even_if_pleo_lists_it(
    pleo: Sandbox, new_fleet: Callable[..., Fleet]
) -> None:
    jobs = [pleo.add_job(items=1, company_id=uuid(0)) for _ in range(2)]

    def complete_the_first(page: Any) -> Any:
        for row in page["data"]:
            if row["id"] == jobs[0].id:
                row["status"] = "completed"
        return page

    pleo.add_fault(Fault(path=JOBS, nth=None, kind="rewrite", rewrite=complete_the_first))

    assert [job.id for job in ask_all(Discovery(1), new_fleet(1))["c0"].jobs] == [jobs[1].id]


def test_a_long_wait_is_postponed_to_a_later_round(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    pleo.add_fault(Fault(path=JOBS, query={"company_id": uuid(0)}, status=429, headers={"Retry-After": "600"}))

    began = time.monotonic()
    found = ask_all(Discovery(2), new_fleet(2))

    assert time.monotonic() - began < 10
    assert (found["c0"].wait, found["c1"].failure) == (600, None)


def test_companies_beyond_the_requests_of_their_credential_are_left_to_the_next_evaluation(
    pleo: Sandbox, new_fleet: Callable[..., Fleet]
) -> None:
    shared = [{"id": f"c{number:02}", "company_id": uuid(number), "credential": "partner"} for number in range(30)]
    partner = {"api_key": {"file": "right.key"}, "requests_per_minute": 20}
    other = {"id": "z", "company_id": uuid(99), "credential": "z"}
    fleet = new_fleet(0, {"partner": partner, "z": {"api_key": {"file": "right.key"}}}, companies=[*shared, other])
    discovery = Discovery(1)

    found = ask_all(discovery, fleet)

    # Half of the credential's requests; the others are neither asked nor failing, and waiting for them counts nothing.
    assert list(found) == [*(f"c{number:02}" for number in range(10)), "z"]
    assert not any(result.failure for result in found.values())
    assert len(pleo.requests) == 11
    (_, api) = discovery._apis["partner"]
    assert 50 < api.budget.wait(time.monotonic()) <= 61


def test_a_round_leaves_requests_of_its_credential_to_urgent_companies(
    pleo: Sandbox, new_fleet: Callable[..., Fleet]
) -> None:
    shared = [{"id": f"c{number:02}", "company_id": uuid(number), "credential": "partner"} for number in range(60)]
    partner = {"api_key": {"file": "right.key"}, "requests_per_minute": 50}
    fleet = new_fleet(0, {"partner": partner}, companies=shared)
    discovery = Discovery(1)

    found = [result.company for result in discovery.ask_all(fleet, fleet.companies.values(), 30, {"c59"})]

    # Half of 50 requests, ten of them kept.
    assert found == [f"c{number:02}" for number in range(15)]
    (late,) = discovery.ask_all(fleet, [fleet.companies["c59"], fleet.companies["c15"]], 30, {"c59"})
    assert (late.company, late.failure) == ("c59", None)
    assert len(pleo.requests) == 16


def test_a_malformed_list_of_jobs_fails_its_company_only(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    pleo.add_fault(Fault(path=JOBS, query={"company_id": uuid(0)}, nth=None, kind="html"))

    found = ask_all(Discovery(2), new_fleet(2))

    assert "given up after 2 attempts" in str(found["c0"].failure)
    assert found["c1"].failure is None


def test_companies_of_a_credential_share_one_token_rotation(pleo: Sandbox, new_fleet: Callable[..., Fleet]) -> None:
    planted = {"client_id": pleo.client_id, "client_secret": pleo.client_secret, "refresh_token": pleo.refresh_token}
    oauth: dict[str, Any] = {name: {"file": name} for name in planted}
    oauth |= {"token_file": "tokens.json", "auth_url": pleo.auth_url}
    shared = [{"id": f"c{number}", "company_id": uuid(number), "credential": "partner"} for number in range(6)]
    fleet = new_fleet(0, {"partner": oauth}, companies=shared)
    for name, secret in planted.items():
        (fleet.folder / name).write_text(secret)

    found = ask_all(Discovery(6), fleet)

    assert [result.failure for result in found.values()] == [None] * 6
    assert len(pleo.requests_to("/oauth/token")) == 1
    # Another process, such as a run, continues with the token file.
    assert ask_all(Discovery(1), fleet)["c0"].failure is None
    assert len(pleo.requests_to("/oauth/token")) == 1
