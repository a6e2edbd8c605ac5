"""The settings, as declarations: those shared by all plugins that use Pleo's API, and those of each plugin."""

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
        description="Address of the OAuth token endpoint, where refresh tokens are exchanged.",
    ),
    th.Property(
        "token_file",
        th.StringType,
        title="OAuth token file",
        description=(
            "File that keeps rotated OAuth tokens between runs (mode 0600), in an existing folder; required with "
            "refresh_token. Takes precedence until you change refresh_token."
        ),
    ),
)
"""Address and credentials: the same for every plugin that uses Pleo's API."""

REQUEST_SETTINGS = (
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Request timeout",
        description="Seconds for a whole request, from connecting to the last byte of the answer.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        default=8,
        title="Retries",
        description="Attempts beyond the first for a request that fails temporarily.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="User-Agent header; by default the plugin's name and version.",
    ),
)
"""How requests are sent: also the same for every plugin."""

SETTINGS = th.PropertiesList(
    *CREDENTIAL_SETTINGS,
    th.Property(
        "company_id",
        th.StringType,
        title="Company",
        description="UUID of a company; only its export jobs are discovered.",
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
            "Statuses of the jobs to discover. Export items are available for pending and in_progress jobs only; "
            "other jobs appear in export_jobs and export_job_items."
        ),
    ),
    th.Property(
        "item_statuses",
        _statuses(ITEM_STATUSES),
        default=list(READABLE_STATUSES),
        title="Item statuses",
        description="Items whose job item has another status are skipped in export_items; an empty list includes all.",
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
        description="Page requests of one job in flight; 1 reads one page after another.",
    ),
    th.Property(
        "max_requests_per_minute",
        th.IntegerType(minimum=1, maximum=1_000_000),
        default=500,
        title="Requests per minute",
        description="Maximum requests in any 60 seconds; bursts within it are allowed.",
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
        description="Whether to start a pending job before its first write.",
    ),
    th.Property(
        "complete_jobs",
        th.BooleanType,
        default=False,
        title="Complete jobs",
        description=(
            "Whether to complete a job at the end of the input if all its items are final. Its items can no longer be "
            "read then, so set this for the last writer only."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Whether to log each update and event instead of sending it; no state is passed on.",
    ),
    th.Property(
        "batch_size",
        th.IntegerType(minimum=1, maximum=100),
        default=100,
        title="Batch size",
        description="Maximum updates per request.",
    ),
    th.Property(
        "max_requests_per_minute",
        th.IntegerType(minimum=1, maximum=1_000_000),
        default=100,
        title="Requests per minute",
        description="Maximum requests in any 60 seconds; a tap in the same pipeline has a separate budget.",
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
            "Where files are stored: the path of a folder, or a URL such as file:///srv/receipts, s3://bucket/folder, "
            "gs://bucket/folder or az://container/folder. Credentials come from the cloud's usual variables."
        ),
    ),
    th.Property(
        "endpoint",
        th.StringType,
        title="Endpoint",
        description="Address of another server with an S3 or Azure API, such as MinIO.",
    ),
    th.Property(
        "keep_urls",
        th.BooleanType,
        default=True,
        title="Keep links",
        description="Whether files[].url stays in the records. Anyone who has it can download the file for 24 hours.",
    ),
    th.Property(
        "on_failure",
        th.StringType(allowed_values=["warn", "fail"]),
        default="warn",
        title="On failure",
        description=(
            "What to do if a file cannot be stored: warn (a WARNING with the count) or fail (exit code 1 after "
            "everything was passed on). Its record is passed on in either case, with storeError."
        ),
    ),
    th.Property(
        "max_concurrent_downloads",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrent downloads",
        description="Number of files downloaded at the same time.",
    ),
    th.Property(
        "max_file_bytes",
        th.IntegerType(minimum=1, maximum=1024**3),
        default=32 * 1024**2,
        title="Largest file",
        description="Maximum bytes of a file; Pleo accepts up to 30 MB.",
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
        description="Attempts beyond the first for a file that fails temporarily.",
    ),
    th.Property(
        "allow_hosts",
        th.ArrayType(th.StringType),
        default=[],
        title="Private hosts",
        description=(
            "Hosts that links may point to although their addresses are private, link-local or loopback; loopback "
            "hosts also without TLS."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="User-Agent header; by default the plugin's name and version.",
    ),
).to_dict()
"""The settings of the attachments mapper, which needs no credentials for Pleo."""
