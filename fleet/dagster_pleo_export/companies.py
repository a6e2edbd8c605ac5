"""The fleet: its file, read and checked, and its companies."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from dagster_pleo_export import fleet_yaml
from dagster_pleo_export.company_rows import from_row
from dagster_pleo_export.fleet_file import Company, Credential, FleetError, FleetFile, Secret
from tap_pleo_export.api.jobs import PLAIN_UUID
from tap_pleo_export.pleo_plugin.setting_rules import problems
from tap_pleo_export.pleo_plugin.settings import CREDENTIALS, SETTINGS, given, unknown_settings
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from pathlib import Path

# Part of state ids, tags, partition keys and, in a pattern, file names.
# Dagster refuses partitions with three dots in a row, and the sensor's whole evaluation with them.
NAME = re.compile(r"(?!.*\.\.\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
NAME_RULE = (
    "its name must be 1 to 63 letters, digits, '_', '-' and '.', begin with a letter or digit, and not contain '...'"
)
ANY = "*"
# Settings of the tap that the fleet sets itself.
RESERVED_SETTINGS = {*CREDENTIALS, "token_file", "auth_url", "company_id", "job_ids", "max_requests_per_minute"}
# In place of secrets while settings are checked.
PLACEHOLDER = "given-elsewhere"
MAX_PROBLEMS = 100


class Fleet(Struct, frozen=True):
    """The fleet file and its usable companies, sorted by name.

    Attributes:
        file: The file's content, without entries that cannot be used.
        folder: The file's folder, base of relative paths.
        companies: The companies by name.
        sharing: How many companies use a credential, by its name.
        left_out: The problems of companies that cannot be used, by name; those without one by their place.
        problems: A line for each problem of a company or credential that is left out.
        of_credential: The companies by credential, then by ``company_id`` in lower case or None.
        secret_variables: The environment variables of all secrets, those of entries left out included.
    """

    file: FleetFile
    folder: Path
    companies: dict[str, Company]
    sharing: dict[str, int]
    left_out: dict[str, list[str]] = {}
    problems: tuple[str, ...] = ()
    secret_variables: frozenset[str] = frozenset()
    of_credential: dict[str, dict[str | None, Company]] = {}

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
    """Read the fleet file; companies and credentials that cannot be used are left out and named.

    Args:
        path: The file.
        rows: The rows of the companies' table, if the file names one.

    Raises:
        FleetError: It cannot be used, or none of its companies can.
    """
    entries = _Entries(fleet_yaml.load(path), [from_row(row) for row in rows or ()])
    file = entries.file(path)
    fleet = Fleet(file, path.parent.resolve(), {company.id: company for company in entries.companies}, {})
    checked: dict[str, list[str]] = {}
    for company in entries.companies:
        for problem in _company_problems(fleet, company, entries.credential_problems, checked):
            entries.leave_out(company.id, f"Company '{company.id}': {problem}")
    entries.leave_out_ambiguous()
    if (lines := entries.lines()) and not entries.usable():
        raise FleetError(_capped(lines))
    usable = {company.id: company for company in sorted(entries.usable(), key=lambda company: company.id)}
    of_credential: dict[str, dict[str | None, Company]] = defaultdict(dict)
    for company in usable.values():
        of_credential[company.credential_name][company.company_id and company.company_id.lower()] = company
    return Fleet(
        file,
        fleet.folder,
        usable,
        {name: len(companies) for name, companies in of_credential.items()},
        entries.left_out,
        tuple(lines),
        frozenset(entries.secret_variables()),
        dict(of_credential),
    )


def read_file(path: Path) -> FleetFile:
    """Read the fleet file without checking the companies; entries of the wrong form are left out.

    Raises:
        FleetError: It cannot be read.
    """
    return _Entries(fleet_yaml.load(path), []).file(path)


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as the tap sees them: ids in lower case, and defaults for the others."""
    defaults = {n: p["default"] for n, p in SETTINGS["properties"].items() if "default" in p}
    return {**defaults, **given(settings)}


class _Entries:
    """Companies and credentials: those of the right form, and the problems of the others.

    Args:
        content: The file's.
        rows: Of the companies' table.
    """

    def __init__(self, content: Any, rows: list[dict[str, Any]]) -> None:  # noqa: ANN401 - any YAML
        self.content = content if isinstance(content, dict) else {}
        self._is_object = isinstance(content, dict)
        listed = self.content.get("companies")
        # A name and a place for each entry.
        self._listed: list[tuple[str, str, Any]] = [
            *((_id(one, f"number {n + 1}"), f"$.companies[{n}]", one) for n, one in enumerate(_as(list, listed))),
            *((_id(row, f"row {n + 1}"), f"row {n + 1}", row) for n, row in enumerate(rows)),
        ]
        self.left_out: dict[str, list[str]] = {}
        self.companies: list[Company] = []
        for name, place, value in self._listed:
            lines = [f"Company '{name}': {fault}" for fault in fleet_yaml.faults(value, Company, place)]
            self.leave_out(name, *lines)
            if not lines:
                self.companies.append(msgspec.convert(value, Company))
        credentials = _as(dict, self.content.get("credentials"))
        found = {name: list(_credential_lines(name, value)) for name, value in credentials.items()}
        self.credential_problems = {name: lines for name, lines in found.items() if lines}

    def file(self, path: Path) -> FleetFile:
        """Return the file without entries of the wrong form.

        Raises:
            FleetError: Another part of it is wrong.
        """
        parts: dict[Any, Any] = {**self.content}
        if isinstance(parts.get("companies"), list):
            parts["companies"] = self.companies
        if isinstance(parts.get("credentials"), dict):
            good = parts["credentials"].keys() - self.credential_problems.keys()
            parts["credentials"] = {name: parts["credentials"][name] for name in good}
        checked = parts | ({"companies": []} if isinstance(parts.get("companies"), list) else {})
        lines = list(fleet_yaml.faults(checked if self._is_object else None, FleetFile, "$"))
        if not lines:
            file = msgspec.convert(parts, FleetFile)
            lines = list(_limit_problems(file))
            if not lines:
                return file
        raise FleetError(_capped([f"The fleet file {path}: {line}" for line in lines] + self.lines()))

    def leave_out(self, name: str, *lines: str) -> None:
        """Leave a company out, for reasons."""
        if lines:
            self.left_out.setdefault(name, []).extend(lines)

    def leave_out_ambiguous(self) -> None:
        """Leave out companies with one name, and those that are one company at Pleo under several names."""
        names = Counter(name for name, _, _ in self._listed)
        for name in (name for name, count in names.items() if count > 1):
            self.leave_out(name, f"Company '{name}' is listed more than once")
        same = defaultdict(set)
        # One that is left out anyway cannot load for another one.
        for company in self.usable():
            same[(company.company_id or "").lower() or f"credential {company.credential_name}"].add(company.id)
        for key, shared in same.items():
            for name in shared if len(shared) > 1 else ():
                others = ", ".join(f"'{other}'" for other in sorted(shared - {name})[:3])
                what = f"it has no company_id, like {others}, which share its {key}" if " " in key else None
                self.leave_out(name, f"Company '{name}': {what or f'its company_id is also that of {others}'}")

    def usable(self) -> list[Company]:
        """Return the companies that are not left out."""
        return [company for company in self.companies if company.id not in self.left_out]

    def lines(self) -> list[str]:
        """Return a line for each problem."""
        found = [*self.credential_problems.values(), *(self.left_out[name] for name in sorted(self.left_out))]
        return [one_line(line) for lines in found for line in lines]

    def secret_variables(self) -> set[str]:
        """Return the environment variables of all secrets, also of entries that are left out."""
        named = {
            text for part in ("alerts", "companies", "credentials", "engine") for text in _env(self.content.get(part))
        }
        names = {str(_as(dict, value).get("credential") or name) for name, _, value in self._listed}
        names |= set(map(str, _as(dict, self.content.get("credentials"))))
        return {text.replace("{credential}", name) for text in named for name in (names if "{" in text else ("",))}


def _as(kind: type[Any], value: object) -> Any:  # noqa: ANN401 - an object of that type
    return value if isinstance(value, kind) else kind()


def _id(entry: object, otherwise: str) -> str:
    found = _as(dict, entry).get("id")
    return found if isinstance(found, str) and found else otherwise


def _env(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("env"), str):
            yield value["env"]
        for part in value.values():
            yield from _env(part)


def _capped(lines: list[str]) -> str:
    more = [f"... and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
    return "\n".join(lines[:MAX_PROBLEMS] + more)


def _limit_problems(file: FleetFile) -> Iterator[str]:
    for part, options in (("limits", file.limits), ("discovery", file.discovery)):
        yield from (f"{part}.{n} must be at least 1" for n in options.__struct_fields__ if getattr(options, n) < 1)


def _credential_lines(name: object, value: object) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"Credential '{name}': its name is not text{fleet_yaml.QUOTE_IT}"
        return
    if name != ANY and not NAME.fullmatch(name):
        yield f"Credential '{name}': {NAME_RULE}"
    wrong = [f"Credential '{name}': {line}" for line in fleet_yaml.faults(value, Credential, "$.credentials[...]")]
    yield from wrong or _credential_problems(name, msgspec.convert(value, Credential))


def _credential_problems(name: str, credential: Credential) -> Iterator[str]:
    if credential.requests_per_minute < 1:
        yield f"Credential '{name}': requests_per_minute must be at least 1"
    named = credential.secrets()
    if credential.webhook_secret:
        named["webhook_secret"] = credential.webhook_secret
    for setting, secret in named.items():
        if (secret.env is None) == (secret.file is None):
            yield f"Credential '{name}', {setting}: give either 'env' or 'file'"
    if name == ANY and not any("{credential}" in f"{secret.env} {secret.file}" for secret in named.values()):
        yield f"Credential '{ANY}': one of its secrets must contain '{{credential}}', or all would be the same"


def _company_problems(
    fleet: Fleet, company: Company, unusable: Container[str], checked: dict[str, list[str]]
) -> Iterator[str]:
    if not NAME.fullmatch(company.id):
        yield NAME_RULE
        return
    if company.company_id is not None and not PLAIN_UUID.fullmatch(company.company_id):
        yield "company_id must be a UUID"
        return
    name = company.credential_name
    # A credential that is left out is not replaced by the one for all others.
    if name in unusable or (name not in fleet.file.credentials and ANY in unusable):
        yield f"its credential '{name}' cannot be used"
        return
    if not NAME.fullmatch(name) or not {name, ANY} & set(fleet.file.credentials):
        yield f"credential '{name}' does not exist"
        return
    settings = {**fleet.file.settings, **company.settings}
    if reserved := sorted(RESERVED_SETTINGS & set(settings)):
        yield f"settings may not contain {', '.join(reserved)}: credentials, company and budget have their own places"
        return
    yield from (line.removeprefix("Setting ") for line in unknown_settings(settings, SETTINGS))
    secrets = dict.fromkeys(fleet.credential(name).secrets(), PLACEHOLDER)
    found = {name: value for name, value in fleet.settings_of(company).items() if name != "company_id"} | secrets
    # Most companies have the same settings, and a table of thousands is read at each tick.
    key = repr(found)
    if key not in checked:
        checked[key] = problems(with_defaults(found), SETTINGS)
    yield from checked[key]


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
