"""The soak's worlds can be played, and what a soak must notice is noticed."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault, Job, Sandbox
from sandbox.faults import encode
from tools.expectation import RUNNING
from tools.soak.arrived import Arrived, compare_output, look_into_logs
from tools.soak.authorisation import Authorisation
from tools.soak.faults import FREE, HINT
from tools.soak.figures import Figures
from tools.soak.need import Progress, RunRequests, progress_in
from tools.soak.reporting import play_reporting
from tools.soak.session import play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

ITEMS = "/v3/export-items"


def test_a_world_is_played_to_its_end(tmp_path: Path) -> None:
    figures = Figures()

    play(Random("smoke 39"), tmp_path, figures, most=1)  # noqa: S311 - repeatable, no secret

    assert figures.good, figures
    assert figures.worlds == 1
    assert figures.items


def test_a_world_is_reported_back_to_its_end(tmp_path: Path) -> None:
    figures = Figures()

    play_reporting(Random("x 4"), tmp_path, figures)  # noqa: S311 - repeatable, no secret

    assert figures.good, figures
    assert figures.updates


@dataclass
class Written:
    """A job, and what the tap wrote of it."""

    job: Job
    lines: list[dict[str, Any]]

    def judged(self, pleo: Sandbox) -> Figures:
        arrived, figures = Arrived(), Figures()
        arrived.read(b"".join(encode(line) + b"\n" for line in self.lines), pleo)
        compare_output(pleo, arrived, RUNNING, figures)
        figures.wrong += len(arrived.wrong)
        return figures

    @property
    def first_item(self) -> dict[str, Any]:
        return next(line for line in self.lines if line.get("stream") == "export_items" and line["type"] == "RECORD")


@pytest.fixture
def written(pleo: Sandbox, run_tap: Callable[..., Run]) -> Written:
    job = pleo.add_job(items=5)
    return Written(job, copy.deepcopy(run_tap().messages))


def test_what_has_arrived_is_right(pleo: Sandbox, written: Written) -> None:
    figures = written.judged(pleo)

    assert (figures.items, figures.good) == (5, True)


def test_a_missing_item_is_noticed(pleo: Sandbox, written: Written) -> None:
    written.lines.remove(written.first_item)

    assert written.judged(pleo).missing == 1


def test_an_item_that_no_state_covers_is_missing(pleo: Sandbox, written: Written) -> None:
    written.lines = [line for line in written.lines if line["type"] != "STATE"]

    assert written.judged(pleo).missing == 5


@pytest.mark.parametrize("change", [{"note": "other"}, {"itemStatus": "in_progress"}, {"amount": None}])
def test_a_wrong_item_is_noticed(pleo: Sandbox, written: Written, change: dict[str, Any]) -> None:
    written.first_item["record"].update(change)

    assert written.judged(pleo).wrong == 1


@pytest.mark.parametrize("what", ["api_key", "access_token", "refresh_token", "client_secret"])
def test_a_secret_in_a_log_is_noticed(pleo: Sandbox, tmp_path: Path, what: str) -> None:
    (tmp_path / "tap.log").write_text(f"it was {getattr(pleo, what)}")
    figures = Figures()

    look_into_logs(tmp_path, figures)

    assert figures.leaks == 1


@pytest.mark.parametrize("width", [1, 4])
def test_requests_beyond_need_are_counted(pleo: Sandbox, run_tap: Callable[..., Run], width: int) -> None:
    job = pleo.add_job(items=25)
    pleo.add_fault(Fault(path=ITEMS, nth=2, times=2, status=503))
    pleo.omit_last_cursor = False

    run = run_tap(page_size=10, max_concurrent_requests=width, max_retries=3)
    first = RunRequests(
        pleo=pleo,
        requests=list(pleo.requests),
        before={},
        after=progress_in(run.state),
        page_size=10,
        width=width,
    )

    assert first.after == {job.id: Progress(25, complete=True)}
    assert first.beyond_need() == 2
    assert first.allowance(FREE, 0) == 0


def test_the_pages_of_a_job_that_no_cursor_leads_on_from_were_needed_all_the_same(
    pleo: Sandbox, run_tap: Callable[..., Run]
) -> None:
    job = pleo.add_job(items=25)
    job.item_statuses.popitem()

    run = run_tap(page_size=10, max_concurrent_requests=1)
    after = progress_in(run.state)
    first = RunRequests(pleo=pleo, requests=list(pleo.requests), before={}, after=after, page_size=10, width=1)

    assert after == {job.id: Progress(25, complete=False, resumable=False)}
    # The job was read twice, its job items twice more.
    assert first.beyond_need() == 3 + 2
    assert first.allowance(HINT, 1) >= 5


def test_a_lost_token_is_noticed(pleo: Sandbox, tmp_path: Path) -> None:
    authorisation = Authorisation(pleo, tmp_path / "tokens.json", pleo.refresh_token)
    assert not authorisation.is_lost()

    pleo.authorise_anew()

    assert authorisation.is_lost()
