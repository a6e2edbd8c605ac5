"""The fleet file as it is written: its members, and what stands where nothing is given. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from tap_pleo_export.pleo_plugin.setting_rules import CREDENTIALS


class Secret(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is, never the secret: an environment variable's name, or a file's path."""

    env: str | None = None
    file: str | None = None


class Credential(Struct, frozen=True, forbid_unknown_fields=True):
    """One authorisation at Pleo; ``{credential}`` in its values stands for its name.

    Attributes:
        api_key, access_token, client_id, client_secret, refresh_token: The tap's settings of these names.
        token_file: The tap's setting: where rotated tokens are kept, shared by discovery and all runs.
        webhook_secret: The secret of its webhook subscription (``whsec_…``).
        requests_per_minute: What discovery and all runs may spend together.
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
    """One company.

    Attributes:
        id: Its name here: partition, suffix of its state ids.
        company_id: Pleo's UUID; None where the credential sees one company only.
        credential: The credential's name; the company's own name if not given.
        settings: Settings of the tap that differ, no secrets among them.
        report: Whether its runs report to Pleo; None: as the file says for all.
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


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """Companies in a database: a query whose columns are named as the members of :class:`Company`."""

    url: Secret
    query: str


class Meltano(Struct, frozen=True, forbid_unknown_fields=True):
    """The Meltano project that does the work.

    Attributes:
        executable: Path, or a name on ``PATH``.
        project: The folder of ``meltano.yml``, from the fleet file's.
        environment: Meltano's environment, part of the state ids.
    """

    executable: str = "meltano"
    project: str = "."
    environment: str = "production"


class Discovery(Struct, frozen=True, forbid_unknown_fields=True):
    """How Pleo is asked; all times in seconds.

    Attributes:
        interval: Between two questions about a company.
        tick: Between two evaluations of the sensor.
        time_limit: Of one evaluation; what is left is asked by the next one.
        requests_at_once: In flight together, of all credentials.
        request_timeout: For one request.
    """

    interval: int = 120
    tick: int = 15
    time_limit: int = 40
    requests_at_once: int = 16
    request_timeout: int = 15


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """How many runs there may be at once: in all, and with one credential."""

    runs: int = 4
    runs_per_credential: int = 2


class Alerts(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told.

    Attributes:
        fresh_minutes: Age at which a readable job without a complete load is late.
        url: Where a failure is posted as JSON (``{"text": …}``); None: Dagster's log only.
    """

    fresh_minutes: int = 20
    url: Secret | None = None


class FleetFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is written.

    Attributes:
        settings: Settings of the tap for all companies.
        report: Whether runs report to Pleo, where the company does not say.
    """

    companies: list[Company] | Table
    credentials: dict[str, Credential]
    meltano: Meltano = field(default_factory=Meltano)
    discovery: Discovery = field(default_factory=Discovery)
    limits: Limits = field(default_factory=Limits)
    alerts: Alerts = field(default_factory=Alerts)
    settings: dict[str, Any] = {}
    report: bool = False

    @property
    def may_report(self) -> bool:
        """Whether some company may report to Pleo: a table can say so at any time."""
        return self.report or isinstance(self.companies, Table) or any(company.report for company in self.companies)
