"""Reads the JSON files of the `schemas/` folder."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

# Inside the installed package, which may be a zip, or next to it in a checkout.
_INSTALLED = resources.files("tap_pleo_export").joinpath("schemas")
SCHEMA_FOLDER: Traversable = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "schemas"


@cache
def shipped(name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the content of a file, such as `booking.json`; shared, so do not change it."""
    return json.loads(SCHEMA_FOLDER.joinpath(name).read_text("utf-8"))
