"""docs/messages.md lists every message of the code, and the alert script of docs/operating.md works on real logs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from sandbox.kinds import KINDS
from tests.conftest import CHECKOUT, TIMEOUT
from tests.helpers.guides import printed
from tools.docs import messages
from tools.docs.messages import Message
from tools.meltano import MeltanoProject

Alerts = Callable[[str], subprocess.CompletedProcess[str]]

MESSAGES = (CHECKOUT / "docs" / "messages.md").read_text("utf-8")


@pytest.mark.parametrize("message", list(messages.logged()), ids=lambda found: f"{found.path.name}:{found.line}")
def test_every_message_is_documented(message: Message) -> None:
    rows = messages.rows(MESSAGES)
    assert not message.clauses or any(clause in rows for clause in message.clauses), message


def test_every_row_is_a_message_of_the_code() -> None:
    texts = "\n".join(messages.constants())
    cells = [row.partition(" | ")[0] for row in messages.rows(MESSAGES).splitlines()]
    quoted = [text for cell in cells for text in re.findall("`([^`]+)`", cell)]
    parts = [part.strip(" :;,.()'") for text in quoted for part in re.split(r"…|[A-Z_]{12,}", text)]

    assert [part for part in parts if len(part) >= messages.MIN_LENGTH and part not in texts] == []


@pytest.fixture(scope="module")
def alerts() -> Alerts:
    """Return a function that gives the page's script a log on standard input."""
    code = printed("operating.md", "alerts.py")

    def run(log: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], input=log, capture_output=True, text=True, check=False)

    return run


def log_of_meltano_run(pleo: Sandbox, root: Path) -> str:
    settings = {"TAP_PLEO_EXPORT_API_URL": pleo.url, "TAP_PLEO_EXPORT_API_KEY": pleo.api_key}
    project = MeltanoProject(root, settings)
    process = project.start("run", "tap-pleo-export", "pleo-validate", "target-jsonl")
    log, _ = process.communicate(timeout=TIMEOUT)
    return log


def test_a_successful_meltano_run_raises_no_alert(pleo: Sandbox, tmp_path: Path, alerts: Alerts) -> None:
    pleo.add_job(items=5)

    log = log_of_meltano_run(pleo, tmp_path)

    assert "Run completed" in log
    assert not log.startswith("{"), "Meltano's first line is JSON now: the script needs no exception for it"
    assert (alerts(log).returncode, alerts(log).stdout) == (0, "")


def test_a_meltano_run_with_failed_items_and_an_expiring_job_raises_alerts(
    pleo: Sandbox, tmp_path: Path, alerts: Alerts
) -> None:
    pleo.add_job(items=len(KINDS), expires_in=300)

    alert = alerts(log_of_meltano_run(pleo, tmp_path))

    assert alert.returncode == 1
    assert sorted(alert.stdout.splitlines()) == ["map-pleo-validation: failed 3", "tap-pleo-export: expiring 1"]


def test_a_meltano_run_that_fails_raises_the_plugins_error(pleo: Sandbox, tmp_path: Path, alerts: Alerts) -> None:
    pleo.add_fault(Fault(path="/v3/export-jobs", nth=None, status=401))

    alert = alerts(log_of_meltano_run(pleo, tmp_path))

    assert alert.returncode == 1
    assert "tap-pleo-export: Pleo rejected the credentials (401 on /v3/export-jobs)" in alert.stdout
    assert "tap-pleo-export: exit_code 1\n" in alert.stdout


def test_a_traceback_raises_an_alert(alerts: Alerts) -> None:
    assert alerts("Traceback\n").stdout == "meltano: Traceback\n"
