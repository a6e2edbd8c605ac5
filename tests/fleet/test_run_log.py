from __future__ import annotations

import json

from dagster_pleo_export.run_log import RunLog


def line(event: str, level: str = "info", plugin: str | None = None, **more: object) -> str:
    return json.dumps({"event": event, "level": level, **({"string_id": plugin} if plugin else {}), **more})


def summary(plugin: str, **counts: int) -> str:
    tags = {"plugin": plugin, "exit_code": 0, **counts, "pid": 17}
    metric = {"type": "timer", "metric": "run_summary", "value": 1.5, "tags": tags}
    return line("METRIC: run_summary", plugin=plugin, metric_info=metric)


def test_counts_come_from_the_run_summaries() -> None:
    log = RunLog()
    records = {"type": "counter", "metric": "record_count", "value": 3, "tags": {"stream": "export_items"}}
    shown = [
        log.read(raw)
        for raw in (
            line("METRIC", plugin="target-postgres", metric_info=records),
            summary("tap-pleo-export", jobs=3, items=248, pages=4),
            summary("map-pleo-validation", items=248, passed=227, failed=21),
            summary("map-pleo-attachments", failed=5),
        )
    ]

    assert (log.items, log.pages, log.failed) == (248, 4, 21)
    assert shown[:2] == [None, ("info", "tap-pleo-export: seconds 1.5, exit_code 0, jobs 3, items 248, pages 4")]


def test_the_plugins_own_error_line_gives_the_reason() -> None:
    log = RunLog()
    shown = log.read(line("Pleo rejected the credentials (401)", "error", "tap-pleo-export"))
    log.read(line("Extractor failed", "error"))
    log.read(line("Block run completed", "error", err="Extractor failed"))

    assert shown == ("error", "tap-pleo-export: Pleo rejected the credentials (401)")
    assert log.why == "Pleo rejected the credentials (401)"
    assert log.meltano_errors == ["Extractor failed", "Extractor failed"]


def test_failures_of_meltano_itself_are_reported_in_its_last_words() -> None:
    log = RunLog()
    for raw in ("Traceback (most recent call last):\n", "  File x\n", "RuntimeError: no such plugin\n", ""):
        log.read(raw)

    assert log.why == "RuntimeError: no such plugin"
    assert RunLog().why == "Meltano gave no reason"


def test_lines_of_plugins_are_shown_and_those_of_meltano_only_from_warnings_on() -> None:
    log = RunLog()

    assert log.read(line("waiting 41 s", plugin="tap-pleo-export")) == ("info", "tap-pleo-export: waiting 41 s")
    assert log.read(line("No state was found", "warning")) == ("warning", "No state was found")
    assert log.read(line("Running catalog discovery")) is None
    assert log.read(json.dumps({"event": "without a level"})) is None
    assert log.read(json.dumps({"event": "x", "string_id": "dbt"})) == ("info", "dbt: x")


def test_counts_of_several_summaries_add_up_and_absent_ones_are_nothing() -> None:
    log = RunLog()
    for raw in (
        summary("tap-pleo-export", items=3, pages=1),
        summary("tap-pleo-export", items=4, pages=2),
        summary("tap-pleo-export"),
        summary("map-pleo-validation", failed=1),
        summary("map-pleo-validation", failed=2),
        summary("map-pleo-validation"),
        line("METRIC", plugin="tap-pleo-export", metric_info={"metric": "run_summary", "value": 2}),
    ):
        log.read(raw)

    assert (log.items, log.pages, log.failed) == (7, 3, 3)


def test_only_the_first_errors_are_kept() -> None:
    log = RunLog()
    for number in range(30):
        log.read(line(f"error {number}", "error", "tap-pleo-export"))

    assert log.errors == [f"error {number}" for number in range(20)]
    assert log.why == "error 0; error 1; error 2"


def test_the_plugins_errors_come_before_those_of_meltano() -> None:
    log = RunLog()
    log.read(line("Extractor failed", "error"))
    log.read(line("Pleo is down", "error", "tap-pleo-export", err="more"))

    assert log.why == "Pleo is down"
