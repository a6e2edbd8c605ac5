from __future__ import annotations

import json

from dagster_pleo_export.run_log import RunLog


def line(event: str, level: str = "info", plugin: str | None = None, **more: object) -> str:
    return json.dumps({"event": event, "level": level, **({"string_id": plugin} if plugin else {}), **more})


def counter(plugin: str, stream: str, value: int) -> str:
    metric = {"type": "counter", "metric": "record_count", "value": value, "tags": {"stream": stream}}
    return line("METRIC", plugin=plugin, metric_info=metric)


def test_counts_are_those_of_the_plugins() -> None:
    log = RunLog()
    for raw in (
        counter("tap-pleo-export", "export_items", 248),
        counter("tap-pleo-export", "export_jobs", 3),
        counter("target-postgres", "export_items", 248),
        line("Export job d2eaa2c7: 130 item(s) in 2 page(s), 52 left out", plugin="tap-pleo-export"),
        line("Export job f0862962: 120 item(s) in 2 page(s)", plugin="tap-pleo-export"),
        line("export_items: 248 items, 227 passed, 21 failed; x", "warning", "map-pleo-validation"),
    ):
        log.read(raw)

    assert (log.items, log.pages, log.failed) == (248, 4, 21)


def test_the_plugins_own_error_line_says_why() -> None:
    log = RunLog()
    told = log.read(line("Pleo rejected the credentials (401)", "error", "tap-pleo-export"))
    log.read(line("Extractor failed", "error"))
    log.read(line("Block run completed", "error", err="Extractor failed"))

    assert told == ("error", "tap-pleo-export: Pleo rejected the credentials (401)")
    assert log.why == "Pleo rejected the credentials (401)"
    assert not log.busy


def test_a_company_that_is_at_work_is_no_failure_of_its_own() -> None:
    log = RunLog()
    log.read(line("Block run completed", "error", err="Another 'x:acme' pipeline is already running which started at"))

    assert log.busy


def test_failures_of_meltano_itself_are_told_in_its_last_words() -> None:
    log = RunLog()
    for raw in ("Traceback (most recent call last):\n", "  File x\n", "RuntimeError: no such plugin\n", ""):
        log.read(raw)

    assert log.why == "RuntimeError: no such plugin"
    assert RunLog().why == "Meltano gave no reason"


def test_a_run_that_waits_for_its_budget_says_so() -> None:
    spent = "The budget of requests per minute is spent: waiting 41 s, and from here on whenever it is"

    assert RunLog().read(line(spent, plugin="tap-pleo-export")) == ("info", f"tap-pleo-export: {spent}")
    assert RunLog().read(line("Beginning full_table sync", plugin="tap-pleo-export")) is None
