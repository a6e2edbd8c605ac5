"""Settings and credentials: invalid ones are reported, tokens refreshed once and shared, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, Run
from tests.helpers.oauth import oauth_settings
from tests.helpers.target import check_said, puts, said, state, statuses, update, updates
from tests.target.conftest import Report

ITEMS = "/v3/export-jobs/*/items"
IBAN = "GB33BUKB20201555555555"


def test_all_invalid_settings_are_reported_before_any_request(pleo: Sandbox, report: Report) -> None:
    run = report(batch_size=101, start_jobs="yes", max_requests_per_minute=0, access_token="y")

    assert run.returncode == 1
    for name in ("batch_size", "start_jobs", "max_requests_per_minute"):
        assert sum(f"'{name}'" in text for text in run.errors) == 1, run.stderr
    assert any("access_token" in text and "api_key" in text for text in run.errors)
    assert "Traceback" not in run.stderr
    assert pleo.requests == []


def test_401_leads_to_one_refresh_and_the_same_request(
    pleo: Sandbox, report: Report, tmp_path: Path, outputs: Outputs
) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    first = oauth_settings(pleo, tmp_path / "tokens.json")
    pleo.add_fault(Fault(path=ITEMS, method="PUT", kind="callback", callback=lambda pleo: pleo.expire_access_token()))

    run = report(updates(job, (0, 1)), state(1), **first, env={"LOGLEVEL": "DEBUG"})

    outputs.secrets |= {pleo.access_token, pleo.refresh_token}
    assert (run.returncode, said(run), statuses(job)) == (0, [], ["successful"] * 2)
    assert [request.status for request in puts(pleo)] == [401, 200]
    assert puts(pleo)[0].body == puts(pleo)[1].body
    assert json.loads((tmp_path / "tokens.json").read_text())["refresh_token"] == pleo.refresh_token


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_secrets_in_errors_are_masked(pleo: Sandbox, report: Report, outputs: Outputs, level: str) -> None:
    outputs.secrets.add(IBAN)
    job = pleo.add_job(items=1, status="in_progress")
    forged = "2026-01-01 00:00:00,000 | CRITICAL | target-pleo-export | all is lost"
    quoted = {"type": "BAD", "message": f"{pleo.api_key} and {IBAN}\n{forged}\x1b[31m"}
    pleo.add_fault(Fault(path=ITEMS, method="PUT", status=400, nth=None, body=quoted))

    run = report(update(job, 0, externalId="x"), update(job, 0, "failed", failureReason=IBAN), env={"LOGLEVEL": level})

    errors = [text for text in run.errors if "Pleo refused it (400 BAD *** and ***" in text]
    assert len(errors) == 2
    assert run.log("CRITICAL") == []
    assert "\x1b" not in run.stderr
    assert pleo.api_key not in run.stderr
    assert IBAN not in run.stderr


@pytest.mark.parametrize("client_id", ["item", "export"])
def test_short_client_id_masks_no_words(pleo: Sandbox, report: Report, tmp_path: Path, client_id: str) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.credentials.client_id = client_id

    run = report(update(job, 0, status="nonsense"), state(1), **oauth_settings(pleo, tmp_path / "tokens.json"))

    check_said(run, [f"Line 3: export job {job.id}, item {next(iter(job.item_statuses))}: 'status' is not one of"])
    assert run.returncode == 1


def test_tap_and_target_share_a_token_file(
    pleo: Sandbox, report: Report, run_tap: Callable[..., Run], tmp_path: Path, outputs: Outputs
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    shared = oauth_settings(pleo, tmp_path / "tokens.json")

    assert run_tap(**shared).returncode == 0
    outputs.secrets |= {pleo.access_token, pleo.refresh_token}
    assert report(update(job, 0), **shared).returncode == 0

    assert statuses(job) == ["successful"]
    assert len(pleo.requests_to("/oauth/token")) == 1
