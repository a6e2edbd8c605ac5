"""docs/validation.md: its tables are those of the data, and every example in it is run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from tap_pleo_export.validation import Validator, parse_settings
from tap_pleo_export.validation.vocabulary import BUILTIN_CHECKS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
_BLOCK = re.compile(
    r"^### `?(?P<title>[^`\n]+)`?|^## (?P<part>[^\n]+)|^```json (?P<kind>\S+)\n(?P<json>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Example(NamedTuple):
    section: str
    config: dict[str, Any]
    kind: str
    changes: dict[str, Any]
    findings: list[dict[str, Any]]


def blocks() -> list[tuple[str, str, Any]]:
    """Return (section, kind, value) of each JSON block."""
    found, section = [], ""
    for match in _BLOCK.finditer(PAGE.read_text("utf-8")):
        section = match["title"] or match["part"] or section
        if match["kind"]:
            found.append((section, match["kind"], json.loads(match["json"])))
    return found


def only(kind: str) -> dict[str, Any]:
    (value,) = [value for _, found, value in blocks() if found == kind]
    return dict(value)


def examples() -> Iterator[Example]:
    config: dict[str, Any] = {}
    section = ""
    found = blocks()
    for index, (here, kind, value) in enumerate(found):
        if here != section:
            section, config = here, {}
        if kind == "config":
            config = value
        elif kind == "passes":
            yield Example(section, config, kind, value, [])
        elif kind == "fails":
            assert found[index + 1][1] == "findings"
            yield Example(section, config, kind, value, found[index + 1][2])


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.section}-{example.kind}")
def test_example(example: Example) -> None:
    validator = Validator(parse_settings(only("common-config") | example.config))
    verdict = validator.judge(only("item") | example.changes)
    failed = [msgspec.to_builtins(finding) for finding in verdict.checks if finding.status != "passed"]
    assert [
        {name: finding[name] for name in ("failureReasonType", "failureReason", "path")} for finding in failed
    ] == example.findings
    if example.section in BUILTIN_CHECKS:
        assert {finding["check"] for finding in failed} <= {example.section}
    assert (verdict.status == "passed") == (example.kind == "passes")


def test_each_built_in_check_has_an_example_that_passes_and_one_that_fails() -> None:
    shown = {(example.section, example.kind) for example in EXAMPLES}
    assert shown >= {(check, kind) for check in BUILTIN_CHECKS for kind in ("passes", "fails")}
