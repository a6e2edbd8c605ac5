"""Reads the JSON files of the `schemas/` folder."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
# Inside the installed package, or next to it in a checkout.
SCHEMA_FOLDER = next(f for f in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas") if f.is_dir())


@cache
def shipped(name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the content of a file, such as `booking.json`; shared, so do not change it."""
    return json.loads((SCHEMA_FOLDER / name).read_text("utf-8"))
