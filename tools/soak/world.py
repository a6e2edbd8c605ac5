"""Fill the sandbox of a soak: jobs of all sizes, values of all kinds, long lines, odd pages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tools.expectation import RUNNING
from tools.soak.rewrites import LONG

if TYPE_CHECKING:
    from random import Random

    from sandbox import Sandbox

STATUSES = ("pending", "in_progress", "pending", "successful", "failed")
# Lines longer than a pipe's atomic write can be torn, and full pipes stop the tap inside a page.
NOTES = (0, 200, 2_000, 9_000)
LONG_NOTES = (300_000, 1_000_000, 3_000_000)
ODD_CENTS = (LONG, Decimal("1e400"), Decimal("-0." + "1" * 4301), 10**30)
ODD_DATES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1" * 4301, "2026-13-45T99:99:99Z", "")


def populate(pleo: Sandbox, rng: Random, *, loadable: bool) -> None:
    """Add a few jobs, and set random switches."""
    for _ in range(rng.randint(1, 6)):
        add_job(pleo, rng, loadable=loadable)
    pleo.max_limit = rng.choice((30, 100, 1000))
    pleo.send_total = rng.random() < 0.7  # noqa: PLR2004 - mostly
    pleo.omit_last_cursor = rng.random() < 0.5  # noqa: PLR2004 - evenly
    pleo.shuffle_items = rng.random() < 0.5  # noqa: PLR2004 - evenly
    pleo.empty_page_at = set(rng.sample(range(1, 12), rng.randint(0, 3)))


def add_job(pleo: Sandbox, rng: Random, *, loadable: bool) -> None:
    """Add a job with amounts of all kinds; ones that no target can store only if none is loaded."""
    job = pleo.add_job(
        items=rng.choice((rng.randint(0, 60), rng.randint(60, 300), rng.randint(300, 700))),
        status=rng.choice(RUNNING),
        created_at=pleo.now() - timedelta(minutes=rng.uniform(1, 20)),
        item_status=rng.sample(STATUSES, rng.randint(1, len(STATUSES))),
    )
    for item in job.items:
        cents = rng.choice((rng.randint(-(10**6), 10**6), Decimal(rng.randint(-(10**22), 10**22)).scaleb(-4)))
        if not loadable and rng.random() < 0.02:  # noqa: PLR2004 - seldom
            cents = rng.choice(ODD_CENTS)
            item["date"] = rng.choice(ODD_DATES)
        item["amount"]["inWalletCurrency"]["value"] = cents
        item["note"] = "x" * rng.choice(NOTES)
    if job.items and rng.random() < 0.3:  # noqa: PLR2004 - sometimes
        for _ in range(rng.randint(1, 4)):
            rng.choice(job.items)["note"] = "x" * rng.choice(LONG_NOTES)
