"""Golden files: the exact output for `input.jsonl` by settings file.

`UPDATE_GOLDEN=1 pytest tests/validation/test_golden.py` rewrites them; review the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.helpers.mapper import check_protocol, run

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(GOLDEN.glob("*.config.json"))


@pytest.mark.parametrize("settings", CASES, ids=lambda path: path.name.partition(".")[0])
def test_output_is_as_recorded(settings: Path) -> None:
    output = run((GOLDEN / "input.jsonl").read_bytes(), json.loads(settings.read_text()))
    check_protocol(output)
    expected = settings.with_name(settings.name.replace(".config.json", ".output.jsonl"))
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_bytes(output.data)
    assert output.data == expected.read_bytes()
