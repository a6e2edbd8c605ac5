"""No secret in the output of a real process, at the highest log level or when Pleo quotes one."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs
from tests.helpers.oauth import oauth_settings
from tests.tap.conftest import RunTap, http_server, response

ITEMS = "/v3/export-items"
TOKEN = "/oauth/token"
IBAN = "GB33BUKB20201555555555"
SIGNATURE = "X-Signature=5ig5ig5ig"
FILE_URL = f"https://files.pleo.example/receipts/1.jpg?{SIGNATURE}"


@pytest.fixture(autouse=True)
def foreign_secrets(outputs: Outputs) -> None:
    outputs.secrets |= {SIGNATURE, IBAN}


def refuse(pleo: Sandbox, what: str, **where: str) -> None:
    """Let Pleo quote something in an error about a job's items."""
    where = {"type": "BAD", "message": "no"} | where
    body = {member: text.format(what) for member, text in where.items()}
    pleo.add_fault(Fault(path=ITEMS, status=400, body=body, nth=None))


def test_a_debug_log_of_http_shows_no_query_and_no_credential(pleo: Sandbox, run_tap: RunTap, tmp_path: Path) -> None:
    job = pleo.add_job(items=3)

    run = run_tap(**oauth_settings(pleo, tmp_path / "tokens.json"), env={"LOGLEVEL": "DEBUG"})

    assert run.returncode == 0
    lines = [line for line in run.log("DEBUG") if ITEMS in line and "HTTP/1.1" in line]
    assert lines
    assert all(f"{ITEMS}?*** HTTP/1.1" in line for line in lines)
    assert f"job_id={job.id}" not in run.stderr
    assert any('"POST /oauth/token HTTP/1.1" 200' in line for line in run.log("DEBUG"))


@pytest.mark.parametrize("member", ["message", "type"])
@pytest.mark.parametrize(
    "what",
    [IBAN, "GB33 BUKB 2020 1555 5555 55", FILE_URL, "Bearer abcdefgh12345678"],
    ids=["IBAN", "blanks", "URL", "token"],
)
def test_quoted_secrets_are_masked(pleo: Sandbox, run_tap: RunTap, what: str, member: str) -> None:
    job = pleo.add_job(items=3)
    refuse(pleo, what, **{member: "Sent {} today"})

    run = run_tap()

    assert run.returncode == 1
    (error,) = [line for line in run.errors if line.startswith(f"Export job {job.id}")]
    assert "***" in error
    assert what.upper() not in run.stderr.upper()


@pytest.mark.parametrize("filler", [0, 280], ids=["whole", "cut"])
@pytest.mark.parametrize("in_base64", [False, True], ids=["plain", "base64"])
def test_a_credential_that_pleo_quotes_is_masked(
    pleo: Sandbox, run_tap: RunTap, filler: int, *, in_base64: bool
) -> None:
    pleo.add_job(items=3)
    key = b64encode(f"{pleo.api_key}:".encode()).decode() if in_base64 else pleo.api_key
    refuse(pleo, key, message="." * filler + "{} was sent")

    run = run_tap()

    assert run.returncode == 1
    assert any(line.count("***") == 1 for line in run.errors)
    assert key[:8] not in run.stderr


def test_a_quoted_rotated_token_is_masked(pleo: Sandbox, run_tap: RunTap, tmp_path: Path, outputs: Outputs) -> None:
    pleo.add_job(items=3)
    body = {"type": "BAD", "message": ""}

    def quote(pleo: Sandbox) -> None:
        body["message"] = f"Tokens {pleo.access_token} and {pleo.refresh_token} were sent"
        outputs.secrets |= {pleo.access_token, pleo.refresh_token}

    pleo.add_fault(Fault(path=ITEMS, kind="callback", callback=quote))
    pleo.add_fault(Fault(path=ITEMS, status=400, body=body, nth=None))

    run = run_tap(**oauth_settings(pleo, tmp_path / "tokens.json"))

    assert run.returncode == 1
    assert any("Tokens *** and *** were sent" in line for line in run.errors)
    assert pleo.access_token not in run.stderr
    assert pleo.refresh_token not in run.stderr


def test_a_traceback_is_masked(run_tap: RunTap) -> None:
    # A header that makes the HTTP library log a traceback which quotes it.
    odd = f"broken {FILE_URL} {IBAN} {{authorization}}"
    with http_server(response(b'{"data":[],"pagination":{"hasNextPage":false}}', "200 OK", odd)) as port:
        run = run_tap(api_url=f"http://127.0.0.1:{port}", env={"LOGLEVEL": "DEBUG"})

    assert "HeaderParsingError" in run.stderr
    assert "files.pleo.example/***" in run.stderr
    assert "Basic ***" in run.stderr
    assert SIGNATURE not in run.stderr
    assert IBAN not in run.stderr


def test_a_forged_line_stays_in_the_line_that_quotes_it(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=3)
    forged = "2026-01-01 00:00:00,000 | CRITICAL | tap-pleo-export | all is lost"
    refuse(pleo, f"x\n{forged}\x1b[31m", message="{}", type="{}")

    run = run_tap()

    assert run.log("CRITICAL") == []
    assert "\x1b" not in run.stderr
    assert max(map(len, run.stderr.splitlines())) < 5000
