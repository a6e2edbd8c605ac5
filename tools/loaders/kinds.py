"""The loaders that are tried: how each is installed, told where to write, and read back."""

from __future__ import annotations

import csv
import json
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from tools.loaders import elsewhere
from tools.postgres import PORT, USER, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ELSEWHERE = Path(elsewhere.__file__)
SCHEMA = "pleo"
BUCKET = "pleo"
Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where loaders may write.

    Attributes:
        folder: An empty folder of the trial's own.
        postgres: A server.
        database: An empty database of it.
        endpoint: Address of an S3 server with an empty bucket.
        python: The loader's Python.
    """

    folder: Path
    postgres: Postgres
    database: str
    endpoint: str
    python: Path


@dataclass(frozen=True)
class Loader:
    """A loader with settings.

    Attributes:
        title: Its name in the table, with what sets this trial apart.
        package: Its distribution, with its version.
        executable: Its command.
        settings: The settings that a user would give, shown in the table.
        place: Where it writes to, as settings.
        rows: Reads what stands there of a stream.
        items: How many items are loaded.
        known: What else a user should know, for the table.
    """

    title: str
    package: str
    executable: str
    settings: Mapping[str, Any]
    place: Callable[[Place], dict[str, Any]]
    rows: Callable[[Place, str], Iterator[Row]]
    items: int = 2_000
    known: str = ""


def _postgres_rows(place: Place, stream: str) -> Iterator[Row]:
    with place.postgres.connect(place.database) as connection:
        set_json_loads(lambda text: json.loads(text, parse_float=Decimal), connection)
        with connection.cursor(row_factory=dict_row) as cursor:
            yield from cursor.execute(f"SELECT * FROM pleo.{stream}".encode())  # noqa: S608 - a name of our own


def _csv_rows(place: Place, stream: str) -> Iterator[Row]:
    with (place.folder / f"{stream}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _jsonl_rows(place: Place, stream: str) -> Iterator[Row]:
    with (place.folder / f"{stream}.jsonl").open("rb") as file:
        yield from (json.loads(line, parse_float=Decimal) for line in file)


def _elsewhere(*arguments: str, python: Path) -> Iterator[Row]:
    with subprocess.Popen([python, ELSEWHERE, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        yield from (json.loads(line, parse_float=Decimal) for line in process.stdout)


def _duckdb_rows(place: Place, stream: str) -> Iterator[Row]:
    yield from _elsewhere("duckdb", str(place.folder / "items.duckdb"), SCHEMA, stream, python=place.python)


def _s3_rows(place: Place, stream: str) -> Iterator[Row]:
    yield from _elsewhere("s3", place.endpoint, BUCKET, stream, python=place.python)


def _url(place: Place) -> dict[str, Any]:
    return {"sqlalchemy_url": place.postgres.url(place.database)}


def _parts(place: Place) -> dict[str, Any]:
    where = {"host": str(place.postgres.socket), "port": PORT, "user": USER, "password": "unused"}
    return where | {"dbname": place.database}


def _bucket(place: Place) -> dict[str, Any]:
    keys = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), elsewhere.KEY)
    where = {"aws_region": "us-east-1", "aws_bucket": BUCKET, "aws_endpoint_override": place.endpoint}
    return {"cloud_provider": {"cloud_provider_type": "aws", "aws": keys | where}}


_POSTGRES = {"default_target_schema": SCHEMA, "use_copy": True, "validate_records": False}
_FLAT = {"flattening_enabled": True, "flattening_max_key_length": 63}
_MELTANOLABS = ("meltanolabs-target-postgres==0.8.1", "target-postgres")
_PLINXORE = ("plinxore-target-s3==0.1.7", "target-s3")

LOADERS = (
    Loader("meltanolabs-target-postgres", *_MELTANOLABS, _POSTGRES, _url, _postgres_rows),
    Loader(
        "the same, flattened by one level",
        *_MELTANOLABS,
        _POSTGRES | _FLAT | {"flattening_max_depth": 1},
        _url,
        _postgres_rows,
    ),
    Loader(
        "the same, flattened by three levels",
        *_MELTANOLABS,
        _POSTGRES | _FLAT | {"flattening_max_depth": 3},
        _url,
        _postgres_rows,
    ),
    Loader(
        "the same, three levels, names as long as they come",
        *_MELTANOLABS,
        _POSTGRES | {"flattening_enabled": True, "flattening_max_depth": 3},
        _url,
        _postgres_rows,
        known="PostgreSQL cuts the names of columns off, some are then there twice",
    ),
    Loader(
        "pipelinewise-target-postgres",
        "pipelinewise-target-postgres==2.1.2",
        "target-postgres",
        {"default_target_schema": SCHEMA},
        _parts,
        _postgres_rows,
    ),
    Loader(
        "target-duckdb",
        "target-duckdb==0.8.0",
        "target-duckdb",
        {"default_target_schema": SCHEMA},
        lambda place: {"path": str(place.folder / "items.duckdb")},
        _duckdb_rows,
        items=20_000,
    ),
    Loader(
        "the same, 500 rows at a time",
        "target-duckdb==0.8.0",
        "target-duckdb",
        {"default_target_schema": SCHEMA, "batch_size_rows": 500},
        lambda place: {"path": str(place.folder / "items.duckdb")},
        _duckdb_rows,
    ),
    Loader(
        "target-jsonl",
        "target-jsonl==0.1.4",
        "target-jsonl",
        {"do_timestamp_file": False},
        lambda place: {"destination_path": str(place.folder)},
        _jsonl_rows,
    ),
    Loader(
        "meltanolabs-target-csv",
        "meltanolabs-target-csv==0.5.0",
        "target-csv",
        {},
        lambda place: {"destination_path": str(place.folder)},
        _csv_rows,
    ),
    Loader(
        "the same, adding to the file",
        "meltanolabs-target-csv==0.5.0",
        "target-csv",
        {"overwrite_behavior": "append_records"},
        lambda place: {"destination_path": str(place.folder)},
        _csv_rows,
        known="the setting changes nothing",
    ),
    Loader(
        "plinxore-target-s3, JSON Lines",
        *_PLINXORE,
        {"format": {"format_type": "jsonl"}, "compression": "none"},
        _bucket,
        _s3_rows,
    ),
    Loader(
        "the same, Parquet",
        *_PLINXORE,
        {"format": {"format_type": "parquet"}, "compression": "none"},
        _bucket,
        _s3_rows,
        known="it makes no Parquet schema of an object without declared members",
    ),
)
