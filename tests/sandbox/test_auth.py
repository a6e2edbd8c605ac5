from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.behaviour import SCOPES

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.sandbox.conftest import Clock

JOBS = "/v3/export-jobs"


def ask(pleo: Sandbox, authorization: str | None, path: str = JOBS) -> requests.Response:
    headers = {"Authorization": authorization} if authorization else {}
    return requests.get(pleo.url + path, headers=headers, timeout=10)


def refresh(pleo: Sandbox, token: str | None = None, *, by: str = "form", **change: Any) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token or pleo.refresh_token}
    client = {"client_id": pleo.client_id, "client_secret": pleo.client_secret}
    return requests.post(
        pleo.auth_url,
        data=form | (client if by == "form" else {}) | change,
        auth=tuple(client.values()) if by == "basic" else None,  # type: ignore[arg-type] # a pair
        timeout=10,
    )


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def test_the_key_is_the_user_name_and_the_password_is_empty(pleo: Sandbox) -> None:
    assert ask(pleo, basic(pleo.api_key, "")).status_code == 200


def test_every_other_way_to_present_a_credential_is_401(pleo: Sandbox) -> None:
    wrong = [
        None,
        basic(pleo.api_key, "x"),
        basic("", pleo.api_key),
        f"Basic {pleo.api_key}",
        f"Bearer {pleo.api_key}",
        f"Bearer {pleo.refresh_token}",
        basic(pleo.access_token, ""),
    ]
    assert [ask(pleo, header).status_code for header in wrong] == [401] * len(wrong)


def test_an_access_token_lives_as_long_as_it_says(pleo: Sandbox, clock: Clock) -> None:
    bearer = f"Bearer {pleo.access_token}"
    clock.advance(seconds=3599)
    assert ask(pleo, bearer).status_code == 200
    clock.advance(seconds=1)
    assert ask(pleo, bearer).status_code == 401


def test_an_access_token_can_be_made_to_expire(pleo: Sandbox) -> None:
    pleo.expire_access_token()
    assert ask(pleo, f"Bearer {pleo.access_token}").status_code == 401
    refresh(pleo)
    assert ask(pleo, f"Bearer {pleo.access_token}").status_code == 200


def test_a_refresh_rotates_both_tokens(pleo: Sandbox) -> None:
    pleo.access_token_lifetime = 120
    old_access, old_refresh = pleo.access_token, pleo.refresh_token
    answer = refresh(pleo)
    assert answer.status_code == 200
    assert answer.json() == {
        "access_token": pleo.access_token,
        "refresh_token": pleo.refresh_token,
        "token_type": "Bearer",
        "expires_in": 120,
        "scope": " ".join(sorted(SCOPES)),
    }
    assert old_access != pleo.access_token
    assert old_refresh != pleo.refresh_token
    assert ask(pleo, f"Bearer {old_access}").status_code == 401
    assert ask(pleo, f"Bearer {pleo.access_token}").status_code == 200


def test_a_spent_refresh_token_ends_the_whole_authorisation(pleo: Sandbox) -> None:
    spent = pleo.refresh_token
    refresh(pleo)
    answer = refresh(pleo, spent)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})
    assert refresh(pleo).status_code == 400
    assert ask(pleo, f"Bearer {pleo.access_token}").status_code == 401
    assert ask(pleo, basic(pleo.api_key, "")).status_code == 200


def test_an_unknown_refresh_token_ends_nothing(pleo: Sandbox) -> None:
    assert refresh(pleo, "made up").json() == {"error": "invalid_grant"}
    assert refresh(pleo).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "by", "status"),
    [
        ("any", "form", 200),
        ("any", "basic", 200),
        ("form", "form", 200),
        ("form", "basic", 401),
        ("basic", "basic", 200),
        ("basic", "form", 401),
        ("any", "nothing", 401),
    ],
)
def test_client_authentication(pleo: Sandbox, accepted: Any, by: str, status: int) -> None:
    pleo.client_auth = accepted
    answer = refresh(pleo, by=by)
    assert answer.status_code == status
    assert answer.json().get("error") == ("invalid_client" if status == 401 else None)


def test_wrong_grants_are_refused_without_spending_the_token(pleo: Sandbox) -> None:
    assert refresh(pleo, client_secret="wrong").json() == {"error": "invalid_client"}
    assert refresh(pleo, grant_type="password").json() == {"error": "unsupported_grant_type"}
    assert refresh(pleo, refresh_token="").json() == {"error": "invalid_request"}
    assert refresh(pleo).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v3/export-jobs", "export-jobs:read"),
        ("GET", "/v3/export-jobs/{id}", "export-jobs:read"),
        ("GET", "/v3/export-jobs/{id}/items", "export-jobs:read"),
        ("PUT", "/v3/export-jobs/{id}/items", "export-jobs:write"),
        ("POST", "/v3/export-job-events", "export-jobs:write"),
        ("GET", "/v3/export-items?job_id={id}", "export-items:read"),
    ],
)
def test_each_operation_needs_its_scope(pleo: Sandbox, method: str, path: str, scope: str) -> None:
    url = pleo.url + path.format(id=pleo.add_job(items=1).id)
    pleo.scopes.remove(scope)
    assert requests.request(method, url, auth=(pleo.api_key, ""), timeout=10).status_code == 403
    pleo.scopes = {scope}
    assert requests.request(method, url, auth=(pleo.api_key, ""), timeout=10).status_code != 403


def test_introspection_tells_who_asks(pleo: Sandbox) -> None:
    job = pleo.add_job(items=1)
    told = ask(pleo, f"Bearer {pleo.access_token}", "/v1/introspect").json()["data"]
    assert told["authMethod"] == "OAUTH2"
    assert told["scope"].split() == sorted(SCOPES)
    assert told["subjectURN"] == f"urn:pleo:company:{job.record['companyId']}"
    assert ask(pleo, basic(pleo.api_key, ""), "/v1/introspect").json()["data"]["authMethod"] == "API_KEY"
    assert ask(pleo, None, "/v1/introspect").status_code == 401


def test_an_authorisation_that_has_ended_can_be_begun_anew(pleo: Sandbox) -> None:
    spent = pleo.refresh_token
    assert refresh(pleo).status_code == 200
    assert refresh(pleo, spent).status_code == 400
    assert refresh(pleo).status_code == 400

    pleo.authorise_anew()

    assert refresh(pleo).status_code == 200
    assert ask(pleo, f"Bearer {pleo.access_token}").status_code == 200
