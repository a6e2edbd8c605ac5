"""Puts a run's parts together: settings on one side, a reader of Pleo on the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_pleo_export.paged_stream import PagedStream
from tap_pleo_export.pleo.api import ExportApi
from tap_pleo_export.pleo.auth import AccessTokenAuth, ApiKeyAuth, RefreshTokenAuth
from tap_pleo_export.pleo.budget import RequestBudget
from tap_pleo_export.pleo.client import PleoClient
from tap_pleo_export.pleo.retry import RetryPolicy
from tap_pleo_export.pleo.token_endpoint import TokenEndpoint
from tap_pleo_export.pleo.token_file import TokenFile
from tap_pleo_export.reading.outcome import RunOutcome
from tap_pleo_export.reading.reader import ExportReader, Selection
from tap_pleo_export.records.drift import DriftWatch
from tap_pleo_export.records.shape import RecordShape
from tap_pleo_export.settings import given
from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_pleo_export.pleo.auth import Authenticator
    from tap_pleo_export.tap import TapPleoExport


def make_reader(tap: TapPleoExport) -> ExportReader:
    """Return the reader that a tap's settings describe."""
    config = given(tap.config)
    user_agent = config.get("user_agent", f"{tap.name}/{tap.plugin_version}")
    budget = RequestBudget(config["max_requests_per_minute"])
    policy = RetryPolicy(max_retries=config["max_retries"])
    client = PleoClient(
        api_url=config["api_url"].rstrip("/"),
        auth=_authenticator(config, user_agent, tap, budget, policy),
        budget=budget,
        policy=policy,
        timeout=config["request_timeout"],
        user_agent=user_agent,
    )
    streams = [stream for stream in tap.streams.values() if isinstance(stream, PagedStream)]
    return ExportReader(
        api=ExportApi(client, config["page_size"], config["max_concurrent_requests"], tap.logger),
        shapes={stream.name: _shape(stream) for stream in streams},
        selection=Selection(
            job_ids=config.get("job_ids", ()),
            job_statuses=config["job_statuses"],
            company_id=config.get("company_id"),
            item_statuses=frozenset(config["item_statuses"]),
        ),
        bookmarks=tap.bookmarks,
        outcome=RunOutcome(tap.logger),
        logger=tap.logger,
        keep_ids=tap.streams["export_items"].selected,
    )


def _shape(stream: PagedStream) -> RecordShape:
    # The declared schema, not a catalog's: deselected members are still Pleo's known ones.
    return RecordShape(
        stream.schema,
        keys=stream.keys_read,
        read=stream.members_read,
        computed=stream.members_computed,
        drift=DriftWatch(stream.name, stream.schema, stream.logger),
    )


def _authenticator(
    config: Mapping[str, Any], user_agent: str, tap: TapPleoExport, budget: RequestBudget, policy: RetryPolicy
) -> Authenticator:
    if "api_key" in config:
        return ApiKeyAuth(config["api_key"])
    if "access_token" in config:
        return AccessTokenAuth(config["access_token"])
    endpoint = TokenEndpoint(
        url=config["auth_url"],
        client_id=config["client_id"],
        client_secret=config["client_secret"],
        timeout=config["request_timeout"],
        user_agent=user_agent,
        stopping=tap.interrupts.pending,
    )
    return RefreshTokenAuth(
        endpoint=endpoint,
        refresh_token=config["refresh_token"],
        token_file=TokenFile(Path(config["token_file"])),
        budget=budget,
        policy=policy,
        shielded=tap.interrupts.shielded,
        learn_secrets=SECRETS.learn,
    )
