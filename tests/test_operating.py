"""docs/messages.md lists every message of the code, and the alert script of docs/operating.md works on real logs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from sandbox.kinds import KINDS
from tests.conftest import CHECKOUT, TIMEOUT
from tools.meltano import MeltanoProject

Alerts = Callable[[str], subprocess.CompletedProcess[str]]

MESSAGES = (CHECKOUT / "docs" / "messages.md").read_text("utf-8")
OPERATING = (CHECKOUT / "docs" / "operating.md").read_text("utf-8")
PACKAGE = CHECKOUT / "tap_pleo_export"
# Texts shorter than this between two values are too common to search for.
MIN_LENGTH = 12
# Advice that many messages end with.
ADVICE = ("Run again", "run again", "report it", "Report it")


def constant_parts(node: ast.expr) -> list[str]:
    """Return the parts of a message that are not values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in constant_parts(value)]
    if isinstance(node, ast.BinOp):
        return ["".join([*constant_parts(node.left), *constant_parts(node.right)])]
    return []


def messages() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the place of every WARNING, ERROR and exception that ends as one, with its constant clauses."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            logs = name.endswith((".warning", ".error")) and node.args[:1]
            raises = path.name == "errors.py" and name == "super().__init__" and node.args[-1:]
            for argument in logs or raises or ():
                pieces = [p for part in constant_parts(argument) for p in re.split(r"%[\d.]*[a-z]|[.,;:]", part)]
                clauses = tuple(piece.strip(" ('") for piece in pieces if not piece.strip().startswith(ADVICE))
                if distinctive := tuple(clause for clause in clauses if len(clause) >= MIN_LENGTH):
                    yield f"{path.relative_to(CHECKOUT)}:{node.lineno}", distinctive


@pytest.mark.parametrize(("place", "clauses"), list(messages()))
def test_every_message_is_documented(place: str, clauses: tuple[str, ...]) -> None:
    rows = " ".join(line for line in MESSAGES.splitlines() if line.startswith("| `"))
    assert any(clause in rows for clause in clauses), f"{place}: {clauses}"


@pytest.fixture(scope="module")
def alerts() -> Alerts:
    """Return a function that gives the page's script a log on standard input."""
    (code,) = re.findall(r"<!-- alerts.py -->\n```python\n(.*?)```", OPERATING, re.DOTALL)

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
