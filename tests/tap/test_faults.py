"""The fault matrix: faults between tap and Pleo, with messages, exit code, requests made.

Every row meets the same world: an older job `{job}` of 7 items in three pages, which the fault is about, and a younger
one `{other}` of 4 items in two pages, which is to arrive all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from sandbox import Job, Sandbox
from tests.conftest import Outputs
from tests.helpers.faults import (
    ITEMS,
    JOBS,
    Outcome,
    Row,
    ending,
    having,
    item_of_the_page_before,
    members,
    on,
    on_control,
    on_items,
    one_after_the_other,
    pagination,
    play,
    swapped_pages,
)
from tools.meltano import environment_without_settings

Setup = Callable[[Sandbox, Job], object]
Settings = Mapping[str, Any]

NONE = 0
NO_SETTINGS: Settings = {}
GIVEN_UP = "1 export job(s) could not be read to the end, see above: {job}"
ENDED = "Export job {job}: its items can no longer be read"
EXPORT_AGAIN = "Export them again in Pleo (this creates a new job)"
UNANSWERED = f"Export job {{job}}: Pleo did not answer GET {ITEMS}, given up after 2 attempts; last cause: "
JSON = "an answer that is not the JSON expected"
DISAGREE = "Export job {job}: Pleo's job items and export items disagree: "
HTTP_DATE = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)


def failed(
    id_: str, setup: Setup, *sees: str, arrive: int = 4, settings: Settings = NO_SETTINGS, **requests: int
) -> Row:
    """Return the row of a fault that ends its job; the other job is read."""
    requests = {"other": 2} | requests
    return Row(id=id_, setup=setup, sees=(*sees, GIVEN_UP), requests=requests, items=arrive, settings=settings)


def fatal(id_: str, setup: Setup, *sees: str, arrive: int = NONE, **requests: int) -> Row:
    """Return the row of a fault that ends the run."""
    return Row(id=id_, setup=setup, sees=sees, requests=requests, items=arrive)


def survived(id_: str, setup: Setup, *sees: str, settings: Settings = NO_SETTINGS, **requests: int) -> Row:
    """Return the row of a fault in spite of which everything is read."""
    return Row(id=id_, setup=setup, sees=sees, exit=0, requests=requests, settings=settings)


def healed(id_: str, setup: Setup, *sees: str, **settings: Any) -> Row:
    """Return the row of a fault that a single retry cures."""
    return survived(id_, setup, *sees, settings=settings, list=1, control=1, items=4)


def given_up(id_: str, setup: Setup, *sees: str) -> Row:
    """Return the row of a fault that lasts: one retry, then the other job."""
    return failed(id_, setup, *sees, items=2)


CONTRA_ACCOUNTS = {
    "as the reference says": {
        "type": "MISSING_CONTRA_ACCOUNTS",
        "message": "Contra accounts are not fully configured. Please map contra accounts in the Accounting settings.",
    },
    "naming currencies": {
        "type": "MISSING_CONTRA_ACCOUNTS",
        "message": "Make sure you don't export GBP (EUR, USD) expenses before you set your contra accounts.",
    },
    "in lower case": {"type": "missing_contra_accounts"},
}
FOUND = {"type": "EXPORT_NOT_FOUND", "message": "Export job not found."}

REFUSALS = [
    *(
        failed(
            f"400 missing contra accounts, {how}",
            on_items(status=400, body=body, nth=None),
            f"Export job {{job}}: skipped, MISSING_CONTRA_ACCOUNTS: {body.get('message', 'contra accounts are')}",
            control=1,
            items=1,
        )
        for how, body in CONTRA_ACCOUNTS.items()
    ),
    failed(
        "400 missing contra accounts in the middle of a job",
        on_items(status=400, body=CONTRA_ACCOUNTS["in lower case"], nth=2, times=9),
        "Set them in Pleo under Settings > Accounting > Contra accounts, then run again",
        arrive=7,
        items=2,
    ),
    failed(
        "400 of another kind",
        on_items(status=400, body={"type": "BAD_REQUEST", "message": "bad\nrequest"}, nth=None),
        f"Export job {{job}}: Pleo refused GET {ITEMS} (400 BAD_REQUEST bad request)",
        items=1,
    ),
    fatal(
        # Large pages might have been the reason.
        "400 on the job list",
        on(JOBS, status=400, body=b"<html>", nth=None),
        f"The list of export jobs cannot be read: Pleo refused GET {JOBS} (400)",
        all=2,
    ),
    fatal(
        "401",
        on(JOBS, status=401, nth=None),
        f"Pleo rejected the credentials (401 on {JOBS}): check the setting 'api_key'",
        all=1,
    ),
    fatal(
        "401 in the middle of a job",
        on_items(status=401, nth=2, times=9),
        f"Pleo rejected the credentials (401 on {ITEMS})",
        arrive=3,
        items=2,
        other=0,
    ),
    fatal(
        "403 without the scope of the jobs",
        having(scopes={"export-items:read"}),
        f"Pleo refused access (403 on {JOBS}): the credential lacks the scope 'export-jobs:read'",
        all=1,
    ),
    fatal(
        "403 without the scope of the items",
        having(scopes={"export-jobs:read"}),
        f"Pleo refused access (403 on {ITEMS}): the credential lacks the scope 'export-items:read'",
        items=1,
        other=0,
    ),
    failed(
        "404 on the control layer",
        on_control(status=404, body=FOUND, nth=None),
        f"{ENDED} (404 EXPORT_NOT_FOUND Export job not found.). {EXPORT_AGAIN}",
        control=1,
        items=0,
    ),
    failed(
        # No type says that the job has ended.
        "404 without a body on the data layer",
        on_items(status=404, nth=None),
        f"Export job {{job}}: Pleo refused GET {ITEMS} (404)",
        items=1,
    ),
    failed(
        "404 on a job named in the settings",
        lambda pleo, job: pleo.jobs.pop(job.id),
        f"{ENDED} (404 EXPORT_NOT_FOUND",
        settings={"job_ids": ["job", "other"]},
        record=1,
        control=0,
        items=0,
    ),
    failed(
        "a job named in the settings that has ended",
        lambda pleo, job: job.finish("completed", pleo.now()),
        f"{ENDED} (its status is 'completed')",
        settings={"job_ids": ["job", "other"]},
        record=1,
        items=0,
    ),
    failed(
        "422 before the first page", ending("failed", nth=1), f"{ENDED} (422 EXPORT_JOB_STATUS_UNPROCESSABLE", items=1
    ),
    failed(
        "422 in the middle of a job",
        ending("completed", nth=3),
        f"{ENDED} (422 EXPORT_JOB_STATUS_UNPROCESSABLE",
        arrive=10,
        items=3,
    ),
    failed(
        "302 to somewhere else is not followed",
        on_items(status=302, headers={"Location": "/v1/introspect"}, nth=None),
        f"Export job {{job}}: Pleo refused GET {ITEMS} (302)",
        items=1,
        all=6,
    ),
]

RETRIED = f"GET {ITEMS}: status 429; trying again, up to 1 times"
THROTTLED = [
    healed("429 with seconds", on_items(status=429, headers={"Retry-After": "1"}, nth=2), f"{RETRIED}, next in 1.0 s"),
    healed(
        "429 with a date",
        on_items(status=429, headers={"Retry-After": HTTP_DATE}, nth=2),
        # The date is past: the wait is the one without it.
        f"{RETRIED}, next in",
    ),
    healed("429 with nonsense", on_items(status=429, headers={"Retry-After": "soon"}, nth=2), RETRIED),
    healed("429 without a wait", on_items(status=429, nth=2), RETRIED),
    failed(
        "429 with an absurd wait is not waited for",
        on_items(status=429, headers={"Retry-After": "99999999999"}, nth=None),
        UNANSWERED.replace("2 attempts", "1 attempt") + "status 429",
        items=1,
    ),
]

STATUSES = (408, 500, 502, 503, 504)
AT_ONCE = {"Retry-After": "0"}
AGAIN = "status 503; trying again"
TRANSIENT = [
    survived(
        "408, 500, 502, 503 and 504, one after the other",
        one_after_the_other(*STATUSES),
        *tuple(f"GET {ITEMS}: status {status}; trying again, up to 5 times" for status in STATUSES),
        settings={"max_retries": 5},
        items=8,
    ),
    given_up(
        "503 for ever on one job",
        on_items(status=503, headers=AT_ONCE, nth=None),
        AGAIN,
        f"{UNANSWERED}status 503. Run again later: it continues where it stopped",
    ),
    failed(
        "503 for ever on one control layer",
        on_control(status=503, headers=AT_ONCE, nth=None),
        AGAIN,
        f"Export job {{job}}: Pleo did not answer GET {JOBS}/{{job}}/items",
        control=2,
        items=0,
    ),
    fatal(
        "503 for ever on everything",
        on("/v3/*", status=503, headers=AT_ONCE, nth=None),
        AGAIN,
        f"Pleo did not answer GET {JOBS}, given up after 2 attempts; last cause: status 503",
        all=2,
    ),
    fatal(
        "503 for ever on the data layer as a whole",
        on(ITEMS, status=503, headers=AT_ONCE, nth=None),
        AGAIN,
        f"{UNANSWERED}status 503",
        "Export job {other}: Pleo did not answer",
        "Two export jobs in a row could not be read, see above: the other jobs are not tried",
        items=2,
        other=2,
    ),
    fatal(
        "connection refused",
        lambda pleo, _: pleo.stop(),
        "connection refused; trying again",
        f"GET {JOBS}, given up after 2 attempts; last cause: connection refused",
        all=0,
    ),
    # A connection in use before, that turns out closed: replaced at once.
    survived("reset before the answer", on_items(kind="reset", nth=2), items=4),
    healed("reset inside the body", on_items(kind="reset_body", nth=2), f"GET {ITEMS}: a body that breaks off"),
    healed("a body cut off", on_items(kind="truncate", nth=2), f"GET {ITEMS}: a body that breaks off"),
    healed(
        "no answer in time",
        on_items(kind="delay", seconds=30, nth=2),
        f"GET {ITEMS}: no answer within 4 s; trying again",
        request_timeout=4,
    ),
]

NO_PAGES = {"without data": members(data=None), "that is a list": lambda page: page["data"]}
NOT_A_PAGE = [
    healed("truncated JSON", on_items(status=200, body=b'{"data":[{"acc', nth=2), JSON),
    healed("an empty body", on_items(status=200, nth=2), f"{JSON} (DecodeError, 0 bytes"),
    healed("HTML with 200", on_items(kind="html", nth=2), "text/html"),
    given_up("HTML with 200 for ever", on_items(kind="html", nth=None), JSON, UNANSWERED + JSON),
    *(
        given_up(f"JSON {what}", on_items(kind="rewrite", rewrite=rewrite, nth=None), JSON, UNANSWERED + JSON)
        for what, rewrite in NO_PAGES.items()
    ),
]

PAGING = [
    failed(
        "hasNextPage without a cursor",
        on_items(kind="rewrite", nth=2, times=99, rewrite=pagination(hasNextPage=True, endCursor=None)),
        "Export job {job}: a page claims a next one but has no 'endCursor'; reading stopped rather than loop",
        arrive=7,
        items=2,
    ),
    fatal(
        "a repeated cursor",
        having(loop_cursor=True),
        "Export job {job}: a page's 'endCursor' leads back to a page already read; reading stopped",
        "Export job {other}: a page's 'endCursor' leads back",
        "2 export job(s) could not be read to the end",
        arrive=6,
        items=2,
        other=2,
    ),
    survived("two pages swapped", swapped_pages, items=3, other=2),
    survived(
        "an item on two pages",
        item_of_the_page_before,
        "Export job {job}: 1 export items came more than once, kept once",
        items=3,
        other=2,
    ),
    survived(
        "a total too small, read in turn", on_items(kind="rewrite", nth=None, rewrite=pagination(total=0)), items=3
    ),
    failed(
        # Before each judgement the job items are read again.
        "an item that the control layer lists and the data layer lacks",
        lambda _, job: job.items.pop(5),
        f"{DISAGREE}7 job items, 6 export items; 1 without an export item: {{lost}}. It is read again",
        f"{DISAGREE}7 job items, 6 export items; 1 without an export item: {{lost}}. The job stays incomplete",
        arrive=16,
        control=3,
        items=4,
    ),
    failed(
        "an item that the data layer has and the control layer lacks",
        lambda _, job: job.item_statuses.pop(job.items[5]["accountingEntryId"]),
        "Export job {job}: Pleo counts 7 items, but lists 6 job items",
        f"{DISAGREE}6 job items, 7 export items; 1 without a job item: {{lost}}. It is read again",
        f"{DISAGREE}6 job items, 7 export items; 1 without a job item: {{lost}}. The job stays incomplete",
        arrive=18,
        control=3,
        items=6,
    ),
]
MATRIX = [*REFUSALS, *THROTTLED, *TRANSIENT, *NOT_A_PAGE, *PAGING]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, outputs: Outputs
) -> dict[str, Outcome]:
    """The rows that are to be tested, played side by side: they wait more than they work."""
    wanted = {item.name for item in request.session.items if item.path == request.path}
    rows = [row for row in MATRIX if f"test_fault[{row.id}]" in wanted]
    folder = tmp_path_factory.mktemp("faults")
    environment = environment_without_settings("LOGLEVEL")
    with ThreadPoolExecutor(4) as pool:
        played = pool.map(lambda row: play(row, folder / str(MATRIX.index(row)), environment, outputs), rows)
        return {row.id: outcome for row, outcome in zip(rows, played, strict=True)}


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.id)
def test_fault(row: Row, outcomes: dict[str, Outcome]) -> None:
    run, names, requests = vars(outcomes[row.id]).values()

    lines = [line for line in run.stderr.splitlines() if "| WARNING " in line or "| ERROR " in line]
    assert len(lines) == len(row.sees), run.stderr
    for line, phrase in zip(lines, row.sees, strict=True):
        assert phrase.format(**names) in line
    assert run.returncode == row.exit
    assert {name: requests[name] for name in row.requests} == row.requests
    assert len(run.records()) == row.items
    # Each line of the log is one: no traceback, no stray print.
    assert all(line.count(" | ") >= 3 for line in run.stderr.splitlines())
