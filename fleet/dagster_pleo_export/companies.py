"""The fleet: its file, read and checked, and its companies."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from msgspec import Struct

from dagster_pleo_export.fleet_file import Company, FleetFile, Secret
from tap_pleo_export.api.jobs import PLAIN_UUID
from tap_pleo_export.pleo_plugin.setting_rules import problems
from tap_pleo_export.pleo_plugin.settings import CREDENTIALS, SETTINGS, given, unknown_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from dagster_pleo_export.fleet_file import Credential

# Part of state ids, tags, partition keys and, in a pattern, file names.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
ANY = "*"
# Settings of the tap that the fleet sets itself.
RESERVED_SETTINGS = {*CREDENTIALS, "token_file", "auth_url", "company_id", "job_ids", "max_requests_per_minute"}
# In place of secrets while settings are checked.
PLACEHOLDER = "given-elsewhere"


class FleetError(Exception):
    """The fleet file cannot be used; ``str()`` has a line for each problem."""


class Fleet(Struct, frozen=True):
    """The fleet file and its companies, sorted by name.

    Attributes:
        file: The file's content.
        folder: The file's folder, base of relative paths.
        companies: The companies by name.
        sharing: How many companies use a credential, by its name.
    """

    file: FleetFile
    folder: Path
    companies: dict[str, Company]
    sharing: dict[str, int]

    def credential_of(self, company: Company) -> Credential:
        """Return a company's credential, with its name filled in."""
        return self.credential(company.credential_name)

    def credential(self, name: str) -> Credential:
        """Return the credential of a name, with the name filled in.

        Raises:
            KeyError: It does not exist.
        """
        credentials = self.file.credentials
        found = credentials[name] if name in credentials else credentials[ANY]
        return _filled_in(found, name)

    def reports(self, company: Company) -> bool:
        """Return whether a company's runs report to Pleo."""
        return self.file.report if company.report is None else company.report

    def settings_of(self, company: Company) -> dict[str, Any]:
        """Return the tap's settings for a company, without secrets and request budget."""
        credential = self.credential_of(company)
        settings = {**self.file.settings, **company.settings}
        if company.company_id:
            settings["company_id"] = company.company_id
        if credential.auth_url:
            settings["auth_url"] = credential.auth_url
        if credential.token_file:
            settings["token_file"] = str(self.folder / credential.token_file)
        return settings


def read(path: Path, rows: Iterable[Mapping[str, Any]] | None = None) -> Fleet:
    """Read the fleet file.

    Args:
        path: The file.
        rows: The rows of the companies' table, if the file names one.

    Raises:
        FleetError: It cannot be used.
    """
    file = read_file(path)
    companies = file.companies if isinstance(file.companies, list) else [_from_row(row) for row in rows or ()]
    by_id = {company.id: company for company in sorted(companies, key=lambda company: company.id)}
    sharing = Counter(company.credential_name for company in by_id.values())
    fleet = Fleet(file, path.parent.resolve(), by_id, dict(sharing))
    repeated = sorted(name for name, count in Counter(company.id for company in companies).items() if count > 1)
    problems = [f"Company '{name}' is listed more than once" for name in repeated]
    if problems := [*problems, *_problems(fleet)]:
        raise FleetError("\n".join(problems))
    return fleet


def read_file(path: Path) -> FleetFile:
    """Read the fleet file, without checking the companies.

    Raises:
        FleetError: It cannot be read.
    """
    try:
        content = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        return msgspec.convert(content, FleetFile)
    except OSError as error:
        raise FleetError(f"The fleet file {path} cannot be read: {error.strerror}. PLEO_FLEET names it") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FleetError(f"The fleet file {path} is not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    except msgspec.ValidationError as error:
        raise FleetError(f"The fleet file {path}: {error}") from None


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as the tap sees them: ids in lower case, and defaults for the others."""
    defaults = {n: p["default"] for n, p in SETTINGS["properties"].items() if "default" in p}
    return {**defaults, **given(settings)}


def _from_row(row: Mapping[str, Any]) -> Company:
    known = {name: value for name, value in row.items() if value is not None}
    try:
        return msgspec.convert(known | ({"id": str(known["id"])} if "id" in known else {}), Company)
    except msgspec.ValidationError as error:
        raise FleetError(f"The table of companies, row '{row.get('id')}': {error}") from None


def _problems(fleet: Fleet) -> Iterator[str]:
    for name, credential in fleet.file.credentials.items():
        if name != ANY and not NAME.fullmatch(name):
            yield f"Credential '{name}': its name must match {NAME.pattern}"
        yield from _secret_problems(name, credential)
    for part, options in (("limits", fleet.file.limits), ("discovery", fleet.file.discovery)):
        yield from (f"{part}.{n} must be at least 1" for n in options.__struct_fields__ if getattr(options, n) < 1)
    for company in fleet.companies.values():
        yield from (f"Company '{company.id}': {problem}" for problem in _company_problems(fleet, company))


def _secret_problems(name: str, credential: Credential) -> Iterator[str]:
    named = credential.secrets()
    if credential.webhook_secret:
        named["webhook_secret"] = credential.webhook_secret
    for setting, secret in named.items():
        if (secret.env is None) == (secret.file is None):
            yield f"Credential '{name}', {setting}: give either 'env' or 'file'"
    if name == ANY and not any("{credential}" in f"{secret.env} {secret.file}" for secret in named.values()):
        yield f"Credential '{ANY}': one of its secrets must contain '{{credential}}', or all would be the same"


def _company_problems(fleet: Fleet, company: Company) -> Iterator[str]:
    if not NAME.fullmatch(company.id):
        yield f"its name must match {NAME.pattern}"
        return
    if company.company_id is not None and not PLAIN_UUID.fullmatch(company.company_id):
        yield "company_id must be a UUID"
        return
    name = company.credential_name
    if not NAME.fullmatch(name) or not {name, ANY} & set(fleet.file.credentials):
        yield f"credential '{name}' does not exist"
        return
    settings = {**fleet.file.settings, **company.settings}
    if reserved := sorted(RESERVED_SETTINGS & set(settings)):
        yield f"settings may not contain {', '.join(reserved)}: credentials, company and budget have their own places"
        return
    yield from (line.removeprefix("Setting ") for line in unknown_settings(settings, SETTINGS))
    secrets = dict.fromkeys(fleet.credential(name).secrets(), PLACEHOLDER)
    yield from problems(with_defaults(fleet.settings_of(company) | secrets), SETTINGS)


def _filled_in(credential: Credential, name: str) -> Credential:
    def fill(text: str | None) -> str | None:
        return text and text.replace("{credential}", name)

    changes: dict[str, Any] = {}
    for member in credential.__struct_fields__:
        value = getattr(credential, member)
        if isinstance(value, Secret):
            changes[member] = Secret(env=fill(value.env), file=fill(value.file))
        elif isinstance(value, str):
            changes[member] = fill(value)
    return msgspec.structs.replace(credential, **changes)
