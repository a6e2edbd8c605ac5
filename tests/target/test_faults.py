"""The fault matrix of updates: faults between the target and Pleo, the lines that the user sees, the result in Pleo.

Every row has two running jobs: `{job}` with four items, which the fault concerns, and `{other}` with two items, which
must be reported regardless.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from tests.helpers.target import FAILED, state, update, updates
from tests.helpers.target_faults import (
    Row,
    RowResult,
    answering,
    before_put,
    both,
    check,
    entry,
    expire,
    item_refused,
    job_ends,
    on_control,
    on_job,
    on_put,
    only,
    refused,
    run_ends,
)

NO_SUCH = "ACCOUNTING_ENTRY_DOES_NOT_EXIST"
AGAIN = "The state still advances: fix the cause, then run with --full-refresh"
SECOND = "Line 4: export job {job}, item {item1}: "
PUT = "PUT /v3/export-jobs/{job}/items"
UNKNOWN = f"Outcome unknown: {PUT} may or may not have been applied ("
ALL_FOUR = "{item0}, {item1}, {item2}, {item3}"


def error(number: int, type_: str, answer: dict[str, Any]) -> None:
    """Let an answer say that an item's update failed."""
    row = answer["data"].pop(number)
    answer["errors"].append({"accountingEntryId": row["accountingEntryId"], "type": type_, "message": "No\nway."})


def retype(type_: str, answer: dict[str, Any]) -> None:
    for each in answer["errors"]:
        each["type"] = type_


def elsewhere(number: int, **members: str) -> Any:
    """Let another integration report an item."""
    return lambda pleo, job: job.update(entry(job, number), members, pleo.now())


PARTIAL = [
    Row(id="all accepted", counts=(6, 0, 0, 0, {}), reads=1),
    refused(
        id="an entry that the job does not have",
        setup=lambda _, job: job.item_statuses.pop(entry(job, 1)),
        sees=(f"{SECOND}Pleo refused it ({NO_SUCH} Accounting entry does not exist.); not reported as",),
        items="fss",
        counts=(5, 0, 1, 0),
    ),
    refused(
        id="the same in lower case",
        setup=both(
            lambda _, job: job.item_statuses.pop(entry(job, 1)),
            answering(lambda answer: retype(NO_SUCH.lower(), answer)),
        ),
        sees=(f"({NO_SUCH.lower()} Accounting entry does not exist.); not reported as 'successful'. {AGAIN}",),
        items="fss",
    ),
    item_refused(
        id="an update that fails in Pleo, twice",
        setup=lambda _, job: job.locked.add(entry(job, 1)),
        sees=(f"{SECOND}Pleo refused it (ACCOUNTING_ENTRY_UPDATE_FAILED Accounting entry update failed.)",),
        counts=(5, 0, 1, 0),
    ),
    Row(
        id="an update that fails in Pleo, once",
        setup=both(lambda _, job: job.locked.add(entry(job, 1)), before_put(lambda _, job: job.locked.clear(), nth=2)),
        puts=(4, 1, 2),
        counts=(6,),
    ),
    item_refused(
        id="an error of an unknown type",
        setup=both(
            lambda _, job: job.locked.add(entry(job, 1)), answering(lambda answer: retype("MOON_FULL", answer), 2)
        ),
        sees=(f"{SECOND}Pleo refused it (MOON_FULL Accounting entry update failed.)",),
    ),
    Row(
        id="another integration has reported the same status",
        setup=both(
            before_put(elsewhere(1, status="successful")),
            answering(lambda answer: error(1, "EXPORT_ENTRY_STATUS_UPDATE_FAILED", answer)),
        ),
        counts=(5, 1, 0),
    ),
    refused(
        id="another integration has reported the other status",
        setup=before_put(elsewhere(1, **FAILED)),
        sees=(f"{SECOND}Pleo has 'failed', the update says 'successful'. Check",),
        items="ffss",
        counts=(5, 0, 1),
    ),
    item_refused(
        id="an item that the answer does not mention, twice",
        setup=lambda _, job: job.ignored.add(entry(job, 1)),
        sees=(f"{SECOND}Pleo's answer twice did not mention it; not reported as 'successful'",),
    ),
    Row(
        id="an item that the answer does not mention, once",
        setup=both(
            lambda _, job: job.ignored.add(entry(job, 1)), before_put(lambda _, job: job.ignored.clear(), nth=2)
        ),
        puts=(4, 1, 2),
    ),
    Row(
        id="an updated item that the answer does not mention",
        setup=answering(lambda answer: answer["data"].pop(1)),
        counts=(6, 0),
    ),
    Row(
        id="an item that the answer has with another status",
        setup=answering(lambda answer: answer["data"][1].update(status="in_progress")),
        counts=(6, 0),
    ),
    Row(
        id="an item that Pleo leaves with another status, once",
        setup=both(
            lambda _, job: job.ignored.add(entry(job, 1)),
            before_put(lambda _, job: job.ignored.clear(), nth=2),
            lambda pleo, job: answering(
                lambda answer: answer["data"].append(
                    {"exportJobId": job.id, "accountingEntryId": entry(job, 1), "status": "in_progress"}
                )
            )(pleo, job),
        ),
        puts=(4, 1, 2),
        counts=(6, 0),
    ),
    item_refused(
        id="an item both updated and refused: the control layer decides",
        setup=both(
            lambda _, job: job.locked.add(entry(job, 1)),
            answering(
                lambda answer: answer["data"].append(
                    {"exportJobId": "x", "accountingEntryId": answer["errors"][0]["accountingEntryId"]}
                    | {"status": "successful"}
                ),
                2,
            ),
        ),
        sees=(SECOND,),
    ),
    Row(id="an answer without errors", setup=answering(lambda answer: answer.pop("errors")), counts=(6,)),
    refused(
        id="another externalId in the answer: the entry is booked twice",
        setup=answering(lambda answer: answer["data"][1].update(externalId="JE-9")),
        input=only(lambda job: update(job, 0, "failed") + updates(job, (1, 2, 3), externalId="JE-1")),
        sees=(f"{SECOND}Pleo has 'successful' with externalId 'JE-9', the update says 'successful' with ext",),
        puts=(4,),
        states=(1,),
    ),
]

WHOLE = [
    Row(
        id="413, then smaller requests are taken",
        setup=on_put(status=413, body={"type": "EXPORT_JOB_ITEMS_UPDATE_LIMIT", "message": "too many"}),
        puts=(4, 2, 2, 2),
        counts=(6,),
    ),
    refused(
        id="400 because of one update: halved until it is alone",
        input=lambda job, other: (
            updates(job, (0,), "failed")
            + update(job, 1, externalId="\ud800")
            + updates(job, (2, 3))
            + state(1)
            + updates(other, (0, 1))
            + state(2)
        ),
        sees=(f"{SECOND}Pleo refused it (400 BAD_REQUEST The body is not JSON.); not reported",),
        puts=(4, 2, 1, 1, 2, 2),
        items="fpss",
        counts=(5, 0, 1, 0),
    ),
    refused(
        id="400 for every request",
        setup=on_put(status=400, nth=None, body={"type": "BAD", "message": "no"}),
        sees=tuple(
            f"Line {number + 3}: export job {{job}}, item {{item{number}}}: Pleo refused it (400 BAD no)"
            for number in range(4)
        ),
        puts=(4, 2, 1, 1, 2, 1, 1, 2),
        items="pppp",
        counts=(2, 0, 4, 0),
    ),
    *(
        Row(id=f"{status} of a type that ends no job", setup=on_put(status=status, body=body), puts=(4, 2, 2, 2))
        for status, body in ((404, {"type": "NOT_FOUND"}), (409, None), (422, {"type": "SOMETHING", "message": "x"}))
    ),
    run_ends(
        id="a redirect is not followed",
        setup=on_put(status=307, headers={"Location": "/v1/introspect"}),
        sees=(f"Pleo refused {PUT} (307), which does not look like Pleo's API: check api_url",),
        counts=(0, 0, 0, 6),
    ),
    run_ends(
        id="a redirect of a read is not followed",
        setup=on_job(status=302, headers={"Location": "/v1/introspect"}),
        sees=("Pleo refused GET /v3/export-jobs/{job} (302), which does not look like Pleo's API: check api_url",),
        puts=(),
        counts=(0, 0, 0, 1),
    ),
]


def lost(cause: str, **fault: Any) -> list[Row]:
    """Return rows for an answer lost before and after its request took effect: no update is applied twice."""
    settings = {"request_timeout": 4} if fault["kind"] == "delay" else {}
    return [
        Row(
            id=f"{cause}, {'after' if effect else 'before'} the effect",
            setup=on_put(effect=effect, **fault),
            sees=(f"{UNKNOWN}{cause}",),
            puts=(4, 2) if effect else (4, 4, 2),
            counts=(6, 0, 0, 0),
            reads=2,
            settings=settings,
        )
        for effect in (False, True)
    ]


UNKNOWN_OUTCOMES = [
    *lost("status 500", kind="status", status=500),
    *lost("status 503", kind="status", status=503, headers={"Retry-After": "0"}),
    *lost("status 408", kind="status", status=408),
    *lost("", kind="reset"),
    *lost("a body that breaks off", kind="truncate"),
    *lost("an answer that is not the JSON expected", kind="html"),
    *lost("no answer within 4 s", kind="delay", seconds=600),
    Row(
        id="200 without data",
        setup=on_put(status=200, body={"errors": []}),
        sees=(f"{UNKNOWN}an answer that is not the JSON expected",),
        puts=(4, 4, 2),
    ),
    Row(id="204", setup=on_put(status=204, effect=True), sees=(f"{UNKNOWN}an answer that is not the JSON expected",)),
    run_ends(
        id="500 for good: no later state is acknowledged",
        setup=on_put(status=500, nth=None),
        sees=(f"{UNKNOWN}status 500); checking Pleo's state", f"{UNKNOWN}status 500). Run again"),
        puts=(4, 4),
        counts=(0, 0, 0, 6),
    ),
    Row(
        id="some took effect: only the others are sent again",
        setup=both(before_put(elsewhere(1, status="successful")), on_put(status=502)),
        sees=(UNKNOWN,),
        puts=(4, 3, 2),
    ),
    job_ends(
        id="the job ended meanwhile",
        setup=both(before_put(expire), on_put(status=502)),
        sees=(UNKNOWN, f"Export job {{job}} is 'failed' (job_expired): refused 4 update(s), items {ALL_FOUR}"),
        counts=(2, 0, 4, 0),
    ),
]

WITHOUT_EFFECT = [
    Row(
        id="429 is repeated as it is",
        setup=on_put(status=429, headers={"Retry-After": "0"}),
        sees=(f"{PUT}: status 429; trying again",),
        puts=(4, 4, 2),
        reads=1,
    ),
    run_ends(
        id="429 for good",
        setup=on_put(status=429, nth=None, headers={"Retry-After": "0"}),
        sees=(f"{PUT}: status 429; trying again", f"Pleo did not answer {PUT}, given up after 2 attempts"),
        puts=(4, 4),
        counts=(0, 0, 0, 6),
    ),
    run_ends(
        id="429 with too long a wait",
        setup=on_put(status=429, nth=None, headers={"Retry-After": "86400"}),
        sees=(f"Pleo did not answer {PUT}, given up after 1 attempt; last cause: status 429",),
    ),
    run_ends(
        id="401 of a key",
        setup=on_put(status=401, nth=None),
        sees=("Pleo rejected the credentials (401 on /v3/export-jobs/{job}/items): check the setting 'api_key'",),
    ),
    run_ends(
        id="403 without the scope to write",
        setup=lambda pleo, _: pleo.scopes.remove("export-jobs:write"),
        sees=("(403 on /v3/export-jobs/{job}/items): the credential lacks the scope 'export-jobs:write'",),
    ),
    run_ends(
        id="403 without the scope to read",
        setup=lambda pleo, _: pleo.scopes.remove("export-jobs:read"),
        sees=("(403 on /v3/export-jobs/{job}): the credential lacks the scope 'export-jobs:read'",),
        puts=(),
    ),
]

READS = [
    Row(
        id="503 on the job", setup=on_job(status=503), sees=("GET /v3/export-jobs/{job}: status 503; trying",), reads=2
    ),
    run_ends(
        id="500 on the job for good",
        setup=on_job(status=500, nth=None),
        sees=("status 500; trying again", "Pleo did not answer GET /v3/export-jobs/{job}, given up after 2 attempts"),
        puts=(),
    ),
    run_ends(
        id="404 on the job, of a type that ends no job",
        setup=on_job(status=404, body={"type": "NOT_FOUND"}),
        sees=("Pleo refused GET /v3/export-jobs/{job} (404 NOT_FOUND)",),
        puts=(),
    ),
    run_ends(
        id="another job in the answer",
        setup=on_job(kind="rewrite", rewrite=lambda answer: {"data": answer["data"] | {"id": "x"}}),
        sees=("Export job {job}: an answer belongs to another job, x; ",),
        puts=(),
    ),
    Row(
        id="the job's id in upper case in the answer",
        setup=on_job(
            kind="rewrite", rewrite=lambda answer: {"data": answer["data"] | {"id": answer["data"]["id"].upper()}}
        ),
    ),
    run_ends(
        id="400 on the control layer",
        setup=on_control(status=400, nth=None),
        sees=("The list of export job items of export job {job} cannot be read: Pleo refused GET ",),
        puts=(),
    ),
    Row(id="large pages are refused", setup=on_control(status=400)),
    *(
        run_ends(
            id=f"400 on the {what} after an unknown outcome",
            setup=both(before_put(refuse(status=400, nth=None)), on_put(status=500)),
            sees=(UNKNOWN, text),
            reads=2,
            counts=(0, 0, 0, 6),
        )
        for what, refuse, text in (
            ("job", on_job, "Pleo refused GET /v3/export-jobs/{job} (400"),
            ("control layer", on_control, "The list of export job items of export job {job} cannot be read"),
        )
    ),
]
MATRIX = [*PARTIAL, *WHOLE, *UNKNOWN_OUTCOMES, *WITHOUT_EFFECT, *READS]


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.id)
def test_row(row: Row, results: dict[str, Future[RowResult]]) -> None:
    check(row, results[row.id].result())
