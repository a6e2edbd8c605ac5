"""The JSON files of the `schemas/` folder: the streams' schemas and the tables of the validation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
# Inside the package once installed, beside it in a checkout.
SCHEMA_FOLDER = next(f for f in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas") if f.is_dir())


@cache
def shipped(name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the content of a file, such as `validation_requirements.json`; shared, so not to be changed."""
    return json.loads((SCHEMA_FOLDER / name).read_text("utf-8"))
