"""The executable with files and pipes: input, output and errors."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.blocked_report.conftest import ReportRun, split_errors
from tests.conftest import BIN, CHECKOUT
from tests.helpers import books, mapper

Make = Callable[..., ReportRun]

ITEMS, MEBIBYTE = 200_000, 1 << 20
# In a small process, because the peak memory of a child is never less than its parent's.
PEAK_KIB = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def jsonl(data: bytes, stream: str) -> bytes:
    messages = map(json.loads, data.splitlines())
    records = [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_page_csv_terminal_and_run_summary_agree(make_report: Make) -> None:
    made = make_report(books.scene())

    assert (made.returncode, made.errors) == (0, "")
    assert made.run_summary["metric"] == "run_summary"
    tags = {name: made.run_summary["tags"][name] for name in ("plugin", "exit_code", "jobs", "items", "failed")}
    assert tags == {"plugin": "pleo-export-report", "exit_code": 0, "jobs": 2, "items": 208, "failed": 34}
    assert "34 of 208 items blocked" in made.page
    assert "34  blocked              4,119.75 EUR, 14,757.43 GBP, 1,989.39 USD" in made.stdout
    table = made.rows
    assert [row["state"] for row in table].count("blocked") == 34
    assert len(table) == 208
    assert {row["reason"] for row in table if row["currency"] == "USD"} == {"No contra account for USD"}


def test_the_picture_in_the_readme_is_the_demos(make_report: Make, demo_messages: bytes) -> None:
    made = make_report(demo_messages, env={"SOURCE_DATE_EPOCH": str(int(time.time()))})

    counts = made.run_summary["tags"]
    (title,) = re.findall("<title>Pleo export: (.*) blocked</title>", made.page)
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    assert title == f"{counts['failed']} of {counts['items']} items"
    assert f'alt="The report of the demo: {title} are blocked;' in readme


def test_the_reasons_of_items_refused_earlier_are_shown(make_report: Make, tmp_path: Path) -> None:
    statuses = tmp_path / "export_job_items.jsonl"
    job = json.loads(jsonl(books.scene(), "export_jobs").splitlines()[0])["id"]
    listed = {"exportJobId": job, "status": "failed", "failureReasonType": "vendor_unknown"}
    entries = [{"accountingEntryId": f"00000000-0000-4000-8000-{number:012}"} for number in range(3)]
    reasons = [{"failureReason": "Vendor <b>77</b> is blocked"}] * 2 + [{"failureReason": None}]
    lines = [json.dumps(listed | entry | reason) for entry, reason in zip(entries, reasons, strict=True)]
    statuses.write_text("".join(f"{line}\n" for line in lines))
    messages = tmp_path / "messages.jsonl"
    messages.write_bytes(books.scene())

    before = make_report(None, str(messages)).page
    made = make_report(None, str(messages), str(statuses))

    assert '<bdi>Vendor &lt;b&gt;77&lt;/b&gt; is blocked</bdi>: <data value="2">2</data> items' in made.page
    assert "<bdi>Vendor unknown</bdi>" in made.page
    assert "<bdi>Vendor unknown</bdi>" not in before


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_bytes(jsonl(books.scene(), "export_items"))
    terminal, other_end = pty.openpty()
    subprocess.run([BIN / "pleo-export-report", items], stdout=subprocess.DEVNULL, stderr=other_end, check=True)
    os.close(other_end)
    shown = b""
    # Linux reports the end of a terminal as an error.
    with contextlib.suppress(OSError):
        while True:
            shown += os.read(terminal, 1 << 16)
    os.close(terminal)

    assert b"Reading records  [####" in shown
    assert b"100%" in shown


def test_messages_files_and_repeated_records_give_the_same_report(make_report: Make, tmp_path: Path) -> None:
    data = books.scene()
    expected = make_report(data).page
    for stream in ("export_items", "export_jobs", "export_job_items"):
        path = tmp_path / f"{stream}.jsonl"
        path.write_bytes(jsonl(data, stream))
        os.utime(path, (books.NOW.timestamp() - 108,) * 2)

    assert make_report(data + data).page == expected
    assert make_report(None, *map(str, tmp_path.glob("*.jsonl"))).page == expected


def test_the_newest_version_of_an_item_counts(make_report: Make) -> None:
    corrected = mapper.record(mapper.item(), time_extracted="2026-03-03T14:00:00Z")
    failing = mapper.record(mapper.failing(), time_extracted="2026-03-03T13:00:00+01:00")
    made = make_report(mapper.run(mapper.schema() + corrected + failing, mapper.GOOD).data)

    assert [row["state"] for row in made.rows] == ["ready"]


def test_failed_items_in_a_separate_stream_are_read(make_report: Make) -> None:
    sent = mapper.schema() + mapper.record(mapper.failing(1)) + mapper.record(mapper.item(2))
    made = make_report(mapper.run(sent, mapper.GOOD | {"on_failure": "separate", "emit_updates": True}).data)

    assert sorted(row["state"] for row in made.rows) == ["blocked", "ready"]


def test_ended_jobs_are_left_out_unless_requested(make_report: Make) -> None:
    data = books.scene().replace(b'"in_progress"', b'"completed"', 1)

    left_out = make_report(data).page
    all_jobs = make_report(data, "--all-jobs")

    assert '<data value="1">1</data> ended export job is left out' in left_out
    assert books.JOBS[0] not in left_out
    assert {row["job"] for row in all_jobs.rows} == set(books.JOBS)


@pytest.mark.parametrize(
    ("options", "days"),
    [((), ["2025-12-31", "2025-12-31", "2026-01-01"]), (("--time-zone", "Europe/Copenhagen"), ["2026-01-01"] * 3)],
)
def test_page_and_csv_show_local_days(make_report: Make, options: tuple[str, ...], days: list[str]) -> None:
    dates = ("2025-12-31T23:30:00Z", "2026-01-01T00:30:00+01:00", "2026-01-01")
    items = [mapper.item(number, date=date) for number, date in enumerate(dates, 1)]

    made = make_report(books.validated(items, mapper.GOOD), *options)

    assert [row["date"] for row in made.rows if row["date"]] == days
    assert re.findall(r'<time datetime="([^"]*)">', made.page) == days


@pytest.mark.parametrize(
    ("options", "machine", "shown"),
    [
        ((), "Europe/Copenhagen", ("14:48", "CET")),
        ((), "America/Sao_Paulo", ("10:48", "UTC-03")),
        ((), "UTC", ("13:48", "UTC")),
        (("--time-zone", "Asia/Kolkata"), "Europe/Copenhagen", ("19:18", "IST")),
    ],
)
def test_terminal_and_csv_show_times_of_the_machine_or_of_the_option(
    make_report: Make, options: tuple[str, ...], machine: str, shown: tuple[str, str]
) -> None:
    time_, zone = shown
    made = make_report(books.scene(), *options, env={"TZ": machine})

    assert f"Job {books.JOBS[0][:8]}, since 3 Mar 2026, {time_} {zone}," in made.stdout
    created = {(row["job created"], row["time zone"]) for row in made.rows if row["job"] == books.JOBS[0]}
    assert created == {(f"2026-03-03 {time_}", zone)}
    assert f">3 Mar 2026, {f'{time_} {zone}' if options else '13:48 UTC'}</time>" in made.page


def test_companies_are_shown_by_name(make_report: Make) -> None:
    config = books.CONFIG | {"configuration": []}
    names = (f"{books.COMPANY.upper()}=Nordlys = Papir-og-Kontor ApS", f"{books.SUBSIDIARY}=<b>Söner</b>")
    made = make_report(books.validated(books.items(), config), "--company", names[0], "--company", names[1])

    assert {row["company"] for row in made.rows} == {"Nordlys = Papir-og-Kontor ApS", "<b>Söner</b>"}
    assert "No journal for company Nordlys = Papir-og-Kontor ApS" in made.stdout
    assert "No journal for company &lt;b&gt;Söner&lt;/b&gt;" in made.page
    assert "company <span" in made.page
    for company in (books.COMPANY, books.SUBSIDIARY):
        assert company[:8] not in made.page + made.stdout


def test_locale_option_sets_the_number_format(make_report: Make) -> None:
    made = make_report(books.scene(), "--locale", "de-DE")

    assert "4.119,75 EUR" in made.stdout
    assert '<html lang="en" data-locale="de-DE">' in made.page
    assert '<data value="4119.75">4.119,75</data>' in made.page


def test_private_details_are_left_out(make_report: Make) -> None:
    secrets = ("GB33BUKB20201555555555", "s3cr3t-signature", "attendee@example.com", "Printer ink", "employee-17")
    record = mapper.failing(
        files=[{"url": f"https://files.pleo.example/r.jpg?signature={secrets[1]}"}],
        user={"id": "u", "name": "Zoë Müller", "code": secrets[4], "email": secrets[2]},
        supplier={"name": f"Ikea {secrets[0]}", "account": secrets[0]},
        _links={"web": {"exportItem": f"https://app.pleo.example/e/1?signature={secrets[1]}"}},
    )

    made = make_report(books.validated([record]))

    assert "Zoë Müller" in made.page
    for secret in secrets:
        assert secret not in made.page + made.csv.read_text("utf-8") + made.stdout + made.errors


def test_formulas_are_escaped_and_amounts_stay_numbers(make_report: Make) -> None:
    record = mapper.item(
        user={"name": "=cmd|' /C calc'!A0"}, supplier={"name": "@SUM(1+1)"}, amount=books.money("GBP", -250)
    )
    row, *others = make_report(books.validated([record], mapper.GOOD)).rows

    assert not any(other["person"] for other in others)
    assert (row["person"], row["supplier"], row["amount"]) == ("'=cmd|' /C calc'!A0", "'@SUM(1+1)", "-2.50")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no export items received"),
        (b"no json\n", "standard input: line 1 is not a JSON object"),
        (b'{"type":"STATE","value":{}}\n\n[1]\n', "standard input: line 3 is not a JSON object"),
        (b'{"type":"BATCH","stream":"export_items"}\n', "line 1 is a BATCH message"),
        (mapper.record(mapper.item()), "no export item has a verdict: run the tap through the mapper pleo-validate"),
    ],
    ids=["nothing", "text", "list", "batch", "no verdict"],
)
def test_unusable_input_is_one_line_and_writes_nothing(make_report: Make, data: bytes, message: str) -> None:
    made = make_report(data)

    assert made.returncode == made.run_summary["tags"]["exit_code"] == 1
    assert message in made.errors
    assert made.errors.count("\n") == 1
    assert not made.html.exists()
    assert not made.csv.exists()


@pytest.mark.parametrize(
    "torn",
    [
        b'{"jobId": "torn\n',
        '{"note": "ü'.encode()[:-1] + b"\n",
        b'{"jobId": "torn{"jobId": "j"}\n',
        b"\x00\x00\n",
        b"42\n",
        b"[]\n",
    ],
)
def test_broken_lines_are_skipped_with_a_warning(tmp_path: Path, make_report: Make, torn: bytes) -> None:
    lines = jsonl(books.scene(), "export_items").splitlines(keepends=True)
    items = tmp_path / "items.jsonl"
    items.write_bytes(torn + lines[0] + torn + b"".join(lines[1:]) + torn[:-1])
    made = make_report(None, str(items))

    assert made.returncode == 0
    assert made.run_summary["tags"]["items"] == len(lines)
    assert made.errors == f"WARNING {items}: skipped line 1, which is not a JSON object, and 2 more like it\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl cannot be read (No such file or directory)"),
        (("--schema", "pleo", "x"), "--schema needs a database"),
        (("--sqlalchemy-url", "sqlite://", "x"), "give either files or --sqlalchemy-url"),
        (("--locale", "tlh", "x"), "--locale: unknown locale 'tlh'"),
        (("--time-zone", "Europe/Elsewhere", "x"), "--time-zone: unknown time zone 'Europe/Elsewhere'"),
        (("--company", "Nordlys", "x"), "--company: 'Nordlys' is not an id and a name"),
        (("--company", "=Nordlys", "x"), "--company: '=Nordlys' is not an id and a name"),
        (("--sqlalchemy-url", "nonsense:secret"), "invalid SQLAlchemy URL"),
        (("--sqlalchemy-url", "oracle+nothing://u:secret@h/d"), "invalid SQLAlchemy URL"),
        (("--sqlalchemy-url", "mysql://u:secret@h/d"), "driver 'MySQLdb' is not installed"),
        (("--output", "/nowhere/report.html", "-"), "/nowhere/report.html cannot be written"),
    ],
)
def test_unusable_arguments_are_reported_without_secrets(
    make_report: Make, arguments: tuple[str, ...], message: str
) -> None:
    made = make_report(None, *arguments)

    assert made.returncode in {1, 2}
    assert message in made.errors
    assert "Traceback" not in made.errors
    assert "secret" not in made.errors


def test_a_failed_run_keeps_the_older_report(make_report: Make) -> None:
    older = make_report(books.scene()).page

    failed = make_report(b"nonsense\n")

    assert failed.returncode == 1
    assert failed.page == older
    assert sorted(path.name for path in failed.html.parent.iterdir()) == ["report.csv", "report.html"]


def wait_until_begun(pid: int, folder: Path) -> None:
    """Wait until a process has opened a file in a folder, even one without a name."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        # A file may be closed between the two calls.
        with contextlib.suppress(FileNotFoundError):
            if any(f"{path.readlink()}".startswith(f"{folder}/") for path in Path(f"/proc/{pid}/fd").iterdir()):
                return
        os.sched_yield()


def test_a_kill_leaves_no_names_and_amounts_behind(tmp_path: Path) -> None:
    command = (BIN / "pleo-export-report", "--output", tmp_path / "report.html", "--csv", tmp_path / "report.csv")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        wait_until_begun(process.pid, tmp_path)
        process.kill()

    assert list(tmp_path.iterdir()) == []


def test_devices_and_pipes_are_written_to_and_links_are_followed(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "report.csv"
    os.mkfifo(pipe)
    link.symlink_to("linked.csv")
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        command = (BIN / "pleo-export-report", "--output", pipe, "--csv", link)
        done = subprocess.run(command, input=books.scene(), capture_output=True, check=False)
        page = reader.communicate(timeout=30)[0]

    assert done.returncode == 0, done.stderr
    assert b"</html>" in page
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert (tmp_path / "linked.csv").read_text("utf-8-sig").startswith('"state"')
    command = (BIN / "pleo-export-report", "--output", Path("/dev/null"), "--csv", Path("/dev/stdout"))
    assert b'"state"' in subprocess.run(command, input=books.scene(), capture_output=True, check=True).stdout
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("option", ["--output", "--csv"])
def test_a_dash_is_standard_output(tmp_path: Path, option: str) -> None:
    command = (BIN / "pleo-export-report", option, "-")
    done = subprocess.run(command, input=books.scene(), capture_output=True, check=True, cwd=tmp_path)

    assert done.stdout.decode("utf-8-sig").startswith("<!DOCTYPE html>" if option == "--output" else '"state"')
    assert "34  blocked" in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("locale", "separator", "decimal"),
    [
        ("de-DE", ";", ","),
        ("da", ";", ","),
        ("sv-SE", ";", ","),
        ("de-CH", ",", "."),
        ("en-GB", ",", "."),
        (None, ",", "."),
    ],
)
def test_csv_opens_in_a_spreadsheet_of_the_locale(
    make_report: Make, locale: str | None, separator: str, decimal: str
) -> None:
    made = make_report(books.scene(), *(("--locale", locale) if locale else ()))

    with made.csv.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    amounts = {row["amount"] for row in rows}
    assert any(decimal in amount for amount in amounts)
    assert all(set(amount) <= {*"-0123456789", decimal} for amount in amounts)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_deletes_temporary_files(tmp_path: Path, number: signal.Signals) -> None:
    command = (BIN / "pleo-export-report", "--output", tmp_path / "report.html")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until_begun(process.pid, tmp_path)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()

    errors, run_summary = split_errors(stderr)
    assert (process.returncode, errors, run_summary["tags"]["exit_code"]) == (128 + number, "", 128 + number)
    assert list(tmp_path.iterdir()) == []


def test_closed_standard_output_fails_without_a_message(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = (BIN / "pleo-export-report", "--output", tmp_path / "report.html")
    run = subprocess.run(command, input=books.scene(), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)

    assert (run.returncode, split_errors(run.stderr)[0]) == (1, "")
    assert (tmp_path / "report.html").exists()


def test_200_000_items_need_less_than_300_mebibytes(tmp_path: Path) -> None:
    html, table = tmp_path / "report.html", tmp_path / "report.csv"
    report = (BIN / "pleo-export-report", "--output", html, "--csv", table)
    command = (sys.executable, "-c", PEAK_KIB, *report)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.writelines(mapper.line(item) for item in books.many(ITEMS))
        process.stdin.close()
        peak = int(process.stdout.read())

    assert process.returncode == 0
    assert peak * 1024 < 300 * MEBIBYTE
    with table.open("rb") as file:
        assert sum(1 for _ in file) == ITEMS + 1
    page = html.read_text("utf-8")
    assert page.count('<tr role="row" data-c') == 5000 + 1000
    assert "with the largest amounts; the CSV has all of them" in page
    # The largest amount of the failed items, the smallest one listed, and the largest one not listed.
    assert 'value="1999.99"' in page
    assert 'value="1900.01"' in page
    assert 'value="1899.99"' not in page
