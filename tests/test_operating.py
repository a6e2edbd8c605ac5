"""docs/operating.md: its table has every message of the code, its alert sees what it says."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (CHECKOUT / "docs" / "operating.md").read_text("utf-8")
PACKAGE = CHECKOUT / "tap_pleo_export"
# Shorter texts between two values say too little to be looked for.
SHORTEST = 12
# What many messages end with tells none of them.
ADVICE = ("Run again", "run again", "report it", "Report it")


def constant_parts(node: ast.expr) -> list[str]:
    """Return what a message has besides values, in pieces."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in constant_parts(value)]
    if isinstance(node, ast.BinOp):
        return ["".join([*constant_parts(node.left), *constant_parts(node.right)])]
    return []


def messages() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the place of every WARNING, ERROR and exception that ends as one, with the clauses that it always has."""
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
                if telling := tuple(clause for clause in clauses if len(clause) >= SHORTEST):
                    yield f"{path.relative_to(CHECKOUT)}:{node.lineno}", telling


@pytest.mark.parametrize(("place", "clauses"), list(messages()))
def test_every_message_has_its_row(place: str, clauses: tuple[str, ...]) -> None:
    rows = " ".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    assert any(clause in rows for clause in clauses), f"{place}: {clauses}"


def alert(*lines: dict[str, str] | str) -> subprocess.CompletedProcess[str]:
    (code,) = re.findall(r"<!-- alerts.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=False)


def test_the_alert_tells_what_somebody_should_see() -> None:
    quiet = {"level": "info", "string_id": "tap-pleo-export", "event": "METRIC: export_items record_count 3"}
    passed = {"level": "info", "string_id": "pleo-validate", "event": "export_items: 3 items, 3 passed, 0 failed; no"}
    failed = {"level": "warning", "string_id": "pleo-validate", "event": "export_items: 3 items, 1 passed, 2 failed; x"}
    ends = {"level": "warning", "event": "Export job 1: expires in 9 minute(s), before reading it"}

    nothing, something = alert(quiet, passed), alert(quiet, failed, ends, passed)

    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert something.returncode == 1
    assert something.stdout.splitlines() == [f"pleo-validate: {failed['event']}", f"meltano: {ends['event']}"]


def test_what_is_no_json_is_told() -> None:
    assert alert("Traceback").stdout == "meltano: Traceback\n"
