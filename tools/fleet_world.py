"""Twenty companies of a sandbox in all relevant states, and their entries in the fleet file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox import Fault

if TYPE_CHECKING:
    from sandbox import Sandbox
    from sandbox.jobs import Job

# State, number of companies, items per job, name of the credential.
STATES = (
    ("idle", 5, 0, "north"),
    ("one", 5, 20, "north"),
    ("two pages", 2, 150, "south"),
    ("growing", 1, 25, "south"),
    ("near expiry", 1, 20, "south"),
    ("throttled", 2, 20, "south"),
    ("oauth", 2, 20, "partner"),
    ("bad credentials", 2, 20, "wrong"),
)
GROWS_BY = 10
WRONG = "fake-sandbox-api-key-that-is-wrong"
CREDENTIALS: dict[str, Any] = {
    "north": {"api_key": {"env": "NORTH_KEY"}, "webhook_secret": {"env": "NORTH_WEBHOOK"}},
    "south": {"api_key": {"file": "south.key"}},
    "wrong": {"api_key": {"env": "WRONG_KEY"}},
    "partner": {
        "client_id": {"env": "PARTNER_CLIENT"},
        "client_secret": {"env": "PARTNER_SECRET"},
        "refresh_token": {"env": "PARTNER_TOKEN"},
        "token_file": "partner-tokens.json",
    },
}
WEBHOOK_SECRET = "whsec_ZmFrZS1zYW5kYm94LXdlYmhvb2stc2VjcmV0LW9mLW5vcnRo"  # noqa: S105 - fake


@dataclass
class Twenty:
    """The companies."""

    companies: list[dict[str, Any]] = field(default_factory=list)  # The fleet file's companies
    credentials: dict[str, Any] = field(default_factory=dict)  # The fleet file's credentials
    states: dict[str, str] = field(default_factory=dict)  # State by company
    jobs: dict[str, Job] = field(default_factory=dict)  # Export job by company, for those that have one
    secrets: dict[str, str] = field(default_factory=dict)  # Environment variables with secrets
    files: dict[str, str] = field(default_factory=dict)  # Secrets by file name in the fleet file's folder

    @property
    def readable(self) -> list[str]:
        """The companies with a job that can be loaded."""
        return [name for name in self.jobs if self.states[name] != "bad credentials"]


def twenty(pleo: Sandbox) -> Twenty:
    """Fill a sandbox and return its companies."""
    world = Twenty(
        credentials=CREDENTIALS | {"partner": CREDENTIALS["partner"] | {"auth_url": pleo.auth_url}},
        secrets={
            "NORTH_KEY": pleo.api_key,
            "NORTH_WEBHOOK": WEBHOOK_SECRET,
            "WRONG_KEY": WRONG,
            "PARTNER_CLIENT": pleo.client_id,
            "PARTNER_SECRET": pleo.client_secret,
            "PARTNER_TOKEN": pleo.refresh_token,
        },
        files={"south.key": pleo.api_key},
    )
    for state, count, items, credential in STATES:
        for number in range(count):
            name = f"{state.replace(' ', '-')}-{number + 1}"
            age = timedelta(minutes=48 if state == "near expiry" else 2)
            job = pleo.add_job(items=items, created_at=pleo.now() - age)
            company_id = job.record["companyId"]
            world.states[name] = state
            world.companies.append({"id": name, "company_id": company_id, "credential": credential})
            if items:
                world.jobs[name] = job
            else:
                del pleo.jobs[job.id]
            if state == "growing":
                grow_when_read(pleo, job)
            if state == "throttled":
                query = {"company_id": company_id}
                retry = {"Retry-After": "1"}
                pleo.add_fault(Fault(path="/v3/export-jobs", query=query, times=2, status=429, headers=retry))
    return world


def grow_when_read(pleo: Sandbox, job: Job) -> None:
    """Add items to a job while its first page is fetched."""

    def grow(_: Sandbox) -> None:
        more = pleo.add_job(items=GROWS_BY, company_id=job.record["companyId"])
        del pleo.jobs[more.id]
        job.items += more.items
        job.item_statuses |= more.item_statuses
        job.record["numberOfItems"] = len(job.items)

    pleo.add_fault(Fault(path="/v3/export-items", query={"job_id": job.id}, kind="callback", callback=grow))
