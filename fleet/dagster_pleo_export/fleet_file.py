"""The fleet file's members and their defaults. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tap_pleo_export.pleo_plugin.settings import CREDENTIALS

if TYPE_CHECKING:
    from pathlib import Path


class FleetError(Exception):
    """The fleet file cannot be used; ``str()`` has a line for each problem."""


class Secret(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to find a secret, never the secret itself: an environment variable's name, or a file's path."""

    env: str | None = None
    file: str | None = None


class Credential(Struct, frozen=True, forbid_unknown_fields=True):
    """An authorisation at Pleo; ``{credential}`` in its values is replaced by its name.

    Attributes:
        api_key, access_token, client_id, client_secret, refresh_token: The tap's settings of these names.
        token_file: The tap's setting: where rotated tokens are stored, shared by discovery and all runs.
        auth_url: The tap's setting.
        webhook_secret: The secret of its webhook subscription (``whsec_…``).
        requests_per_minute: The budget that discovery and all runs share.
    """

    api_key: Secret | None = None
    access_token: Secret | None = None
    client_id: Secret | None = None
    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    token_file: str | None = None
    auth_url: str | None = None
    webhook_secret: Secret | None = None
    requests_per_minute: int = 500

    def secrets(self) -> dict[str, Secret]:
        """Return the credential's secrets by setting."""
        return {name: secret for name in CREDENTIALS if (secret := getattr(self, name)) is not None}


class Company(Struct, frozen=True, forbid_unknown_fields=True):
    """A company.

    Attributes:
        id: Its name in the fleet: partition, and suffix of its state ids.
        company_id: Pleo's UUID; None where the credential sees one company only.
        credential: The credential's name; the company's own name if empty.
        settings: Settings of the tap that differ, no secrets.
        report: Whether its runs report to Pleo; None: the file's ``report`` applies.
    """

    id: str
    company_id: str | None = None
    credential: str = ""
    settings: dict[str, Any] = {}
    report: bool | None = None

    @property
    def credential_name(self) -> str:
        """The name of its credential."""
        return self.credential or self.id


class CompanyTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Companies in a database: a query whose columns have the names of :class:`Company`'s members."""

    url: Secret
    query: str


class MeltanoOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """The Meltano project that loads.

    Attributes:
        executable: A path, or a name on ``PATH``.
        project: The folder of ``meltano.yml``, relative to the fleet file's.
        environment: Meltano's environment, part of the state ids.
    """

    executable: str = "meltano"
    project: str = "."
    environment: str = "production"

    def command(self, folder: Path) -> str:
        """Return the executable: a path starts at the fleet file's folder, a plain name is looked up on ``PATH``."""
        return str(folder / self.executable) if "/" in self.executable else self.executable


class DiscoveryOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How Pleo is polled; all times in seconds.

    Attributes:
        interval: Between two requests about a company.
        tick: Between two evaluations of the sensor; Dagster rounds it up to a multiple of five.
        time_limit: For one evaluation; the next one continues with the remaining companies.
        requests_at_once: Requests in flight, over all credentials.
        request_timeout: For one request.
    """

    interval: int = 120
    tick: int = 15
    time_limit: int = 40
    requests_at_once: int = 16
    request_timeout: int = 15


class RunLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """The maximum number of concurrent runs: in total, and per credential."""

    runs: int = 4
    runs_per_credential: int = 2


class EnvironmentSecret(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret in an environment variable, which ``dagster.yaml`` can name."""

    env: str


class CeleryOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Celery.

    Attributes:
        broker: The broker's address, such as ``redis://:password@host:6379/0``.
        queue: Its queue for runs.
    """

    broker: EnvironmentSecret
    queue: str = "dagster"


class EngineOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Where runs are executed: on the daemon's machine, or on the hosts that run ``dagster-pleo-export worker``."""

    celery: CeleryOptions | None = None


class AlertOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """When and where to alert.

    Attributes:
        fresh_minutes: Age at which a readable job without a complete load is late.
        url: Where failures are posted as JSON (``{"text": …}``); None: Dagster's log only.
    """

    fresh_minutes: int = 20
    url: Secret | None = None


class FleetFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The fleet file.

    Attributes:
        settings: Settings of the tap for all companies.
        report: Whether runs report to Pleo, unless the company says otherwise.
    """

    companies: list[Company] | CompanyTable
    credentials: dict[str, Credential]
    meltano: MeltanoOptions = field(default_factory=MeltanoOptions)
    discovery: DiscoveryOptions = field(default_factory=DiscoveryOptions)
    limits: RunLimits = field(default_factory=RunLimits)
    alerts: AlertOptions = field(default_factory=AlertOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    settings: dict[str, Any] = {}
    report: bool = False

    @property
    def may_report(self) -> bool:
        """Whether some company may report to Pleo; with a table, any row may say so at any time."""
        companies = self.companies
        return self.report or isinstance(companies, CompanyTable) or any(company.report for company in companies)
