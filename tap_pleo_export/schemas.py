"""The JSON Schemas of the streams, as files."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
# Inside the package once installed, beside it in a checkout.
SCHEMA_FOLDER = next(f for f in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas") if f.is_dir())
