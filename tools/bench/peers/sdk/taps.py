"""Two Singer SDK taps: ``taps.py idiomatic`` and ``taps.py tuned``, then the SDK's own arguments."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from requests.auth import HTTPBasicAuth
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.pagination import BaseAPIPaginator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import requests
    from singer_sdk.helpers.types import Context
    from singer_sdk.streams import Stream

SCHEMA = Path(__file__).parents[4] / "schemas" / "export_items.json"


class ExportItems(RESTStream[str]):
    """The export items of one job."""

    name = "export_items"
    path = "/v3/export-items"
    primary_keys: ClassVar[tuple[str, ...]] = ("jobId", "accountingEntryId")
    schema: ClassVar[dict[str, Any]] = json.loads(SCHEMA.read_text())
    records_jsonpath = "$.data[*]"
    next_page_token_jsonpath = "$.pagination.endCursor"  # noqa: S105 - a path

    @property
    def url_base(self) -> str:
        """Base address."""
        return str(self.config["url"])

    @property
    def authenticator(self) -> HTTPBasicAuth:
        """Credentials."""
        return HTTPBasicAuth("key", "")

    def get_url_params(self, context: Context | None, next_page_token: str | None) -> dict[str, Any]:  # noqa: ARG002 - the SDK's
        """Return the query."""
        params = {"job_id": self.config["job_id"], "limit": 100}
        return params | ({"after": next_page_token} if next_page_token else {})

    def post_process(self, row: dict[str, Any], context: Context | None = None) -> dict[str, Any] | None:  # noqa: ARG002 - the SDK's
        """Add the job."""
        row["jobId"] = self.config["job_id"]
        return row


class IdiomaticTap(Tap):
    """A tap as the SDK's template and documentation write it: everything at its default."""

    name = "tap-idiomatic"
    stream_class: type[ExportItems] = ExportItems
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("url", th.StringType, required=True),
        th.Property("job_id", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> Sequence[Stream]:
        """Return the stream."""
        return [self.stream_class(tap=self)]


class Pagination(msgspec.Struct, rename="camel"):
    """A page's place."""

    has_next_page: bool
    end_cursor: str | None = None


class PageEnd(msgspec.Struct):
    """A page without its rows."""

    pagination: Pagination


class TunedPaginator(BaseAPIPaginator[str | None]):
    """Follows the cursor without decoding the rows again."""

    def get_next(self, response: requests.Response) -> str | None:
        """Return the next cursor."""
        page = msgspec.json.decode(response.content, type=PageEnd).pagination
        return page.end_cursor if page.has_next_page else None


class TunedExportItems(ExportItems):
    """The export items of one job."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def get_new_paginator(self) -> TunedPaginator:
        """Return a paginator."""
        return TunedPaginator(None)

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """Yield the rows."""
        yield from msgspec.json.decode(response.content)["data"]


class TunedTap(IdiomaticTap):
    """The same with the SDK's known switches thrown: no conformance, a list for JSONPath, msgspec both ways."""

    name = "tap-tuned"
    message_writer_class = MsgSpecWriter
    stream_class = TunedExportItems


if __name__ == "__main__":
    {"idiomatic": IdiomaticTap, "tuned": TunedTap}[sys.argv.pop(1)].cli()
