"""Every row of every model in a test's world, as people have read them: `tests/transform/rows/WORLD/MODEL.csv`.

After a change of the models that is meant: `PLEO_WRITE_ROWS=1 make test-warehouse ARGS="-k rows_of_the"`, and read the
difference before it is committed.
"""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

import yaml

from tests.helpers.warehouse import Warehouse
from tools.meltano import CHECKOUT

ROWS = CHECKOUT / "tests" / "transform" / "rows"
# The JSON of legs, and so the digest of it, is written differently by each database; pleo__voucher_lines has the legs.
VOLATILE = {"minutes_left", "published_at", "publication", "legs", "digest"}
TODAY = {"age_days"}


def check(warehouse: Warehouse, world: str, model: str) -> None:
    """Compare a model's rows with those that have been read."""
    path = ROWS / world / f"{model}.csv"
    found = _as_csv(warehouse, model)
    if os.environ.get("PLEO_WRITE_ROWS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")


def described(model: str) -> dict[str, str]:
    """Return the columns of a model and their descriptions."""
    models = yaml.safe_load((CHECKOUT / "transform/models/marts/schema.yml").read_text())["models"]
    (found,) = [entry for entry in models if entry["name"] == model]
    return {column["name"]: column["description"] for column in found["columns"]}


def json_text(value: Any) -> Any:
    """Return JSON as text: PostgreSQL's driver parses it, DuckDB's does not."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = json.loads(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def _as_csv(warehouse: Warehouse, model: str) -> str:
    """Return the rows in the order of their text, without what depends on the day or the database."""
    columns = [name for name in described(model) if name not in VOLATILE | TODAY and not name.endswith("_at")]
    names = ", ".join(f'"{column}"' for column in columns)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [columns, *sorted(map(_texts, warehouse.rows(f"select {names} from {model}")))]
    )
    return text.getvalue()


def _texts(row: tuple[Any, ...]) -> list[str]:
    return ["" if value is None else str(json_text(value)) for value in row]
