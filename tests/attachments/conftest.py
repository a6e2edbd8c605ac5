"""A local Pleo that serves files, and settings that may fetch them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "receipts"


@pytest.fixture
def config(destination: Path) -> dict[str, Any]:
    return {"destination": str(destination), "allow_hosts": ["127.0.0.1"], "max_retries": 0, "timeout": 20}
