"""The settings, as declarations: those that every plugin needs to speak with Pleo, and each plugin's own."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_pleo_export.api.jobs import ITEM_STATUSES, JOB_STATUSES, READABLE_STATUSES


def _statuses(allowed: tuple[str, ...]) -> th.ArrayType[th.StringType]:
    return th.ArrayType(th.StringType(allowed_values=list(allowed)))


CREDENTIAL_SETTINGS = (
    th.Property(
        "api_url",
        th.StringType,
        default="https://external.pleo.io",
        title="API address",
        description="Address of Pleo's API; partners' staging is https://external.staging.pleo.io.",
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="Standalone or integrated API key. One of three credential forms; exactly one is required.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="OAuth access token",
        description="OAuth access token that something else keeps fresh. The second credential form.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        secret=True,
        title="OAuth client id",
        description="OAuth client. With client_secret and refresh_token the third credential form.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="Secret of the OAuth client.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="OAuth refresh token. It rotates with each use, so token_file is required with it.",
    ),
    th.Property(
        "auth_url",
        th.StringType,
        default="https://auth.pleo.io/oauth/token",
        title="OAuth token endpoint",
        description="Address at which refresh tokens are exchanged.",
    ),
    th.Property(
        "token_file",
        th.StringType,
        title="OAuth token file",
        description=(
            "File that keeps rotated OAuth tokens between runs (mode 0600), in a folder that exists; required with "
            "refresh_token. It wins over refresh_token while it descends from it; a changed refresh_token wins over "
            "the file."
        ),
    ),
)
"""Where Pleo is, and who asks: the same for every plugin that speaks with Pleo."""

REQUEST_SETTINGS = (
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Request timeout",
        description="Seconds for a whole request, from connecting to the last byte of its answer.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        default=8,
        title="Retries",
        description="Attempts beyond the first for a request that fails in a way that may pass.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="User-Agent header; by default the plugin's name and version.",
    ),
)
"""How requests are sent: likewise."""

SETTINGS = th.PropertiesList(
    *CREDENTIAL_SETTINGS,
    th.Property(
        "company_id",
        th.StringType,
        title="Company",
        description="UUID of the only company whose export jobs are discovered.",
    ),
    th.Property(
        "job_ids",
        th.ArrayType(th.StringType),
        title="Export jobs",
        description="UUIDs of the export jobs to read, instead of discovering them.",
    ),
    th.Property(
        "job_statuses",
        _statuses(JOB_STATUSES),
        default=list(READABLE_STATUSES),
        title="Job statuses",
        description=(
            "Statuses of the jobs to discover. Export items can be read of pending and in_progress jobs only; others "
            "feed export_jobs and export_job_items."
        ),
    ),
    th.Property(
        "item_statuses",
        _statuses(ITEM_STATUSES),
        default=list(READABLE_STATUSES),
        title="Item statuses",
        description="Items whose job item has another status are left out of export_items; an empty list keeps all.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=1000),
        default=100,
        title="Page size",
        description="Export items per page.",
    ),
    th.Property(
        "max_concurrent_requests",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrent requests",
        description="Page requests of one job in flight; 1 reads strictly page after page.",
    ),
    th.Property(
        "max_requests_per_minute",
        th.IntegerType(minimum=1, maximum=1_000_000),
        default=500,
        title="Requests per minute",
        description="Never more requests than this in any 60 seconds; bursts are allowed within it.",
    ),
    *REQUEST_SETTINGS,
).to_dict()
"""The tap's settings."""

TARGET_SETTINGS = th.PropertiesList(
    *CREDENTIAL_SETTINGS,
    th.Property(
        "start_jobs",
        th.BooleanType,
        default=False,
        title="Start jobs",
        description="Whether a job that is still pending is started before its first write.",
    ),
    th.Property(
        "complete_jobs",
        th.BooleanType,
        default=False,
        title="Complete jobs",
        description=(
            "Whether a job whose items are all final is completed at the end of the input. From then on nobody can "
            "read its items, so this belongs to the last writer only."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Whether Pleo is only read: each update and event is logged instead, and no state is passed on.",
    ),
    th.Property(
        "batch_size",
        th.IntegerType(minimum=1, maximum=100),
        default=100,
        title="Batch size",
        description="Updates in one request.",
    ),
    th.Property(
        "max_requests_per_minute",
        th.IntegerType(minimum=1, maximum=1_000_000),
        default=100,
        title="Requests per minute",
        description="Never more requests than this in any 60 seconds; a tap beside it has a budget of its own.",
    ),
    *REQUEST_SETTINGS,
).to_dict()
"""The target's settings."""

ATTACHMENT_SETTINGS = th.PropertiesList(
    th.Property(
        "destination",
        th.StringType,
        required=True,
        title="Destination",
        description=(
            "Where files are kept: the path of a folder, or a URL such as file:///srv/receipts, s3://bucket/folder, "
            "gs://bucket/folder or az://container/folder. Credentials come from the cloud's usual variables."
        ),
    ),
    th.Property(
        "endpoint",
        th.StringType,
        title="Endpoint",
        description="Address of a server that speaks S3 or Azure's protocol but is not the cloud's own, such as MinIO.",
    ),
    th.Property(
        "keep_urls",
        th.BooleanType,
        default=True,
        title="Keep links",
        description="Whether files[].url stays in the records. Whoever has it can fetch the file for 24 hours.",
    ),
    th.Property(
        "on_failure",
        th.StringType(allowed_values=["warn", "fail"]),
        default="warn",
        title="On failure",
        description=(
            "What a file that is not stored does: warn (a counted WARNING) or fail (exit code 1 after everything was "
            "passed on). Its record passes in either case, with storeError."
        ),
    ),
    th.Property(
        "max_concurrent_downloads",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrent downloads",
        description="Files in flight.",
    ),
    th.Property(
        "max_file_bytes",
        th.IntegerType(minimum=1, maximum=1024**3),
        default=32 * 1024**2,
        title="Largest file",
        description="Bytes of the largest file that is stored; Pleo takes none above 30 MB.",
    ),
    th.Property(
        "timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Timeout",
        description="Seconds for a whole file, from connecting to its last byte.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        default=4,
        title="Retries",
        description="Attempts beyond the first for a file that fails in a way that may pass.",
    ),
    th.Property(
        "allow_hosts",
        th.ArrayType(th.StringType),
        default=[],
        title="Private hosts",
        description=(
            "Hosts that links may lead to although their addresses are private, link-local or this machine's own; "
            "on this machine also without TLS."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="User-Agent header; by default the plugin's name and version.",
    ),
).to_dict()
"""The settings of the mapper that keeps attachments: it has no credentials of Pleo's."""
