"""Reads what a loader stored, with that loader's own libraries: run by its Python, prints a JSON object for each row.

``elsewhere.py duckdb FILE SCHEMA STREAM`` or ``elsewhere.py s3 ENDPOINT BUCKET STREAM``; imports nothing of ours.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "local"


def duckdb(file: str, schema: str, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a DuckDB file."""
    connection = importlib.import_module("duckdb").connect(file, read_only=True)
    found = connection.execute(f'SELECT * FROM "{schema}"."{stream}"')  # noqa: S608 - a name of our own
    names = [column[0] for column in found.description]
    yield from (dict(zip(names, row, strict=True)) for row in found.fetchall())


def s3(endpoint: str, bucket: str, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of all Parquet and JSON Lines objects of a stream in a bucket."""
    client = importlib.import_module("boto3").client(
        "s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=KEY, region_name="us-east-1"
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", ()):
            if stream not in found["Key"]:
                continue
            body = client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            if ".parquet" in found["Key"]:
                yield from importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(body)).to_pylist()
            else:
                yield from (json.loads(line) for line in body.splitlines())


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    for row in {"duckdb": duckdb, "s3": s3}[kind](*arguments):
        print(json.dumps(row, default=str))
