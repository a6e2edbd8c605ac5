"""The checks. Each yields its results as data and writes nothing; a refused OAuth token may still be renewed."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from singer_sdk.exceptions import ConfigValidationError

from tap_pleo_export.api.errors import PleoError
from tap_pleo_export.api.jobs import READABLE_STATUSES
from tap_pleo_export.pleo_plugin.settings import secret_values
from tap_pleo_export.singer.redaction import SECRETS
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.validation import SettingsError, Validator, parse_settings

MAX_ITEMS = 1000
"""Open items that are checked against the mapper's configuration."""
MAX_CAUSES = 10
TABLES = ("export_jobs", "export_job_items", "export_items")
LOADERS = {
    "target-postgres": True,
    "target-duckdb": True,
    "target-jsonl": False,
    "target-csv": False,
    "target-s3": False,
}
"""Loaders that were tried, and whether they replace a row that arrives again (docs/loaders.md)."""


@dataclass(frozen=True)
class Result:
    """One line: the subject, and the remedy unless it is `ok`; a `warning` may be intended."""

    subject: str
    text: str
    level: Literal["ok", "warning", "error"] = "ok"

    def as_json(self) -> dict[str, Any]:
        """Return the members for programs."""
        return {"check": self.subject, "level": self.level, "text": self.text}


def block(name: str, undeclared: tuple[str, ...]) -> Iterator[Result]:
    """Check that Meltano passes on every setting."""
    for setting in undeclared:
        text = f"Meltano ignores {setting!r}, which the block does not declare: copy the block of docs/meltano.md whole"
        yield Result(name, level="error", text=text)
    if not undeclared:
        yield Result(name, text="Meltano's block declares every setting that is used")


class Pleo:
    """The checks of address, credentials, scopes, and open items."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)

    def check(self, mappings: Mapping[str, Mapping[str, Any]]) -> Iterator[Result]:
        """Check the tap's settings, the connection, and each mapping with the open items."""
        SECRETS.learn(secret_values(self._config))
        try:
            tap = TapPleoExport(config=self._config, quick=True)
        except ConfigValidationError as error:
            yield from (Result("tap-pleo-export", level="error", text=problem) for problem in error.errors)
            yield from (result for name, config in mappings.items() for result in _mapping(name, config, None))
            return
        items: list[dict[str, Any]] | None = None
        with contextlib.closing(tap):
            try:
                jobs = list(tap.api.jobs(READABLE_STATUSES, self._config.get("company_id")))
                items = list(itertools.islice(self._open_items(tap, jobs), MAX_ITEMS))
                companies = len({job.get("companyId") for job in jobs})
                text = f"{tap.config['api_url']}: {len(jobs)} open export jobs of {companies} companies can be read"
                yield Result("Pleo", text=text)
            except PleoError as error:
                yield Result("Pleo", level="error", text=str(error))
        for name, config in mappings.items():
            yield from _mapping(name, config, items)

    @staticmethod
    def _open_items(tap: TapPleoExport, jobs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        # The scopes of both layers are needed.
        for job in jobs:
            statuses = {item["accountingEntryId"]: item.get("status") for item in tap.api.job_items(job["id"])}
            for item in tap.api.export_items(job["id"]):
                if statuses.get(item.get("accountingEntryId")) in READABLE_STATUSES:
                    yield item | {"jobId": job["id"]}


def _mapping(name: str, config: Mapping[str, Any], items: list[dict[str, Any]] | None) -> Iterator[Result]:
    try:
        settings = parse_settings(config)
    except SettingsError as error:
        yield from (Result(name, level="error", text=f"config {problem}") for problem in error.problems)
        return
    yield from (Result(name, level="warning", text=f"config {hint}") for hint in settings.hints)
    if items is None:
        yield Result(name, text="the configuration is valid; no items to try it on")
        return
    failed: Counter[str] = Counter()
    validator = Validator(settings)
    verdicts = [validator.judge(item) for item in items]
    for verdict in verdicts:
        failed.update({_cause(finding) for finding in verdict.checks if finding.status != "passed"})
    good = sum(verdict.status == "passed" for verdict in verdicts)
    limit = f" (the first {MAX_ITEMS:,})" if len(items) == MAX_ITEMS else ""
    yield Result(
        name,
        level="ok" if good == len(items) else "warning",
        text=f"{good} of {len(items)} open items{limit} pass their checks",
    )
    for cause, count in failed.most_common(MAX_CAUSES):
        yield Result(name, level="warning", text=f"{count} items: {cause}")


def _cause(finding: Any) -> str:  # noqa: ANN401 - a Finding
    subject = finding.subject
    roles = " or ".join((subject.role, *subject.alternatives)) if subject else ""
    company = f" of company {subject.company_id}" if subject and subject.company_id else ""
    return f"{finding.check}: {roles}{company}" if roles else str(finding.check)


def token_file(config: Mapping[str, Any]) -> Iterator[Result]:
    """Check that rotated tokens can be kept."""
    if not (name := config.get("token_file")):
        return
    path = Path(str(name)).expanduser()
    folder = path.resolve().parent
    if not folder.is_dir():
        yield Result("token_file", level="error", text=f"the folder {folder} does not exist: make it")
    elif not os.access(folder, os.W_OK):
        yield Result("token_file", level="error", text=f"{folder} cannot be written to: let this user write there")
    elif path.exists() and path.stat().st_mode & 0o077:
        yield Result("token_file", level="error", text=f"others can read {path}: chmod 600 it")
    else:
        state = "exists" if path.exists() else "will be created by the first run"
        yield Result("token_file", text=f"{path} {state}")


def shared_tokens(tap: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Result]:
    """Check that tap and target do not use up each other's refresh tokens."""
    files = {config["token_file"] for config in (tap, target) if config.get("token_file")}
    if len(files) > 1:
        yield Result("token_file", level="error", text="tap and target have different token files: give both the same")


def loader(name: str, config: Mapping[str, Any]) -> Iterator[Result]:
    """Check that a loader replaces rows that arrive again, and reaches its database."""
    known = next((plugin for plugin in LOADERS if name.startswith(plugin)), None)
    if config.get("load_method") == "overwrite":
        text = "load_method: overwrite deletes what earlier runs loaded: remove it"
        yield Result(name, level="error", text=text)
    elif known and not LOADERS[known]:
        text = "appends or overwrites: rows that arrive again are repeated or lost, see docs/loaders.md"
        yield Result(name, level="warning", text=text)
    elif known:
        yield Result(name, text="replaces rows that arrive again")
    if url := config.get("sqlalchemy_url"):
        yield database(name, str(url), config.get("default_target_schema"))


def database(subject: str, url: str, schema: str | None) -> Result:
    """Check that a database can be reached, and which tables it has."""
    try:
        import sqlalchemy as sa  # noqa: PLC0415 - slow, and an extra
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - the same
    except ImportError:
        return Result(subject, level="error", text="not checked: install sqlalchemy and the driver of the database")
    try:
        engine = sa.create_engine(url, connect_args={"connect_timeout": 10} if url.startswith("postgres") else {})
        SECRETS.learn([engine.url.password or ""])
        with contextlib.closing(engine.connect()) as connection:
            present = [table for table in TABLES if sa.inspect(connection).has_table(table, schema)]
        engine.dispose()
    except ImportError as error:
        return Result(subject, level="error", text=f"not checked: the database driver {error.name!r} is not installed")
    except (SQLAlchemyError, ValueError) as error:
        cause = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        return Result(subject, level="error", text=f"the database cannot be reached: {SECRETS.one_line(cause)}")
    except TypeError:
        # psycopg returns text without an encoding as bytes, at which SQLAlchemy fails; so does the loader.
        return Result(
            subject, level="error", text="the database's encoding is SQL_ASCII: create one with ENCODING 'UTF8'"
        )
    where = f"schema {schema}" if schema else "the default schema"
    if not present:
        return Result(subject, text=f"the database answers; the first run creates the tables in {where}")
    return Result(subject, text=f"the database answers; {where} has {', '.join(present)}")


def state(database_uri: str, backend_uri: str) -> Result:
    """Check that Meltano's state outlives a run, and that its lock is where the state is."""
    if backend_uri and not database_uri:
        text = (
            "the state is in MELTANO_STATE_BACKEND_URI, but the lock against a second run is in each machine's own "
            "database: set MELTANO_DATABASE_URI if several machines run"
        )
        return Result("state", level="warning", text=text)
    if database_uri:
        return Result("state", text="kept in MELTANO_DATABASE_URI")
    folder = Path(".meltano")
    if not os.access(folder if folder.exists() else Path(), os.W_OK):
        text = f"{folder.resolve()} cannot be written to: let this user write there"
        return Result("state", level="error", text=text)
    return Result("state", text=f"kept in {folder.resolve()}/meltano.db")
