"""Scenarios that read export items from the server of pages: processor time, peers, latency, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench.contenders import PEER_CONTENDERS, RAW_LOOP, RAW_LOOP_ALL, TAP, TAP_IN_TURN
from tools.bench.process import serving
from tools.bench.results import Promise, Result
from tools.bench.rounds import cpu, peak, wall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.rounds import Bench, Value

ITEMS = 50_000
# A peer that is ten times slower must not take the whole run.
PEER_ITEMS = 10_000
SLOW_ITEMS = 10_000
LATENCY_SECONDS = 0.1
MANY_ITEMS = 500_000
COLUMNS = ("", "CPU ratio", "wall ratio", "CPU s", "wall s", "peak MiB")
CELLS: dict[str, Sequence[Value]] = {"ratios": (cpu, wall), "medians": (cpu, wall), "whole": (peak,)}


def cpu_time(bench: Bench) -> Result:
    """Measure the tap against the hand-written loop where the network costs nothing."""
    contenders = (RAW_LOOP, RAW_LOOP_ALL, TAP, TAP_IN_TURN)
    with serving(ITEMS) as server:
        rounds = bench.interleave(contenders, server, ITEMS, rounds=4)
        served = server.cpu_seconds() / sum(map(len, rounds.measures.values()))
    result = Result(
        "Processor time",
        f"{ITEMS:,} export items, no latency. The first loop, the yardstick, reads export items only; the tap reads "
        f"all three streams, {2 * ITEMS:,} records. {rounds.told}",
        COLUMNS,
        rounds.rows(**CELLS),
        notes=[f"The server used {served:.2f} s of processor time per run on average, in a process of its own."],
    )
    result.promises.append(Promise("CPU of the tap to that of the loop, no latency", 1.0, rounds.ratios(TAP.name, cpu)))
    return result


def peers(bench: Bench) -> Result:
    """Measure the peers against the hand-written loop."""
    contenders = (RAW_LOOP, TAP, *PEER_CONTENDERS)
    with serving(PEER_ITEMS) as server:
        rounds = bench.interleave(contenders, server, PEER_ITEMS, rounds=1)
    versions = [
        f"{contender.package} {bench.environments.version(contender.environment, contender.package)}"
        for contender in contenders
        if contender.name in rounds.measures
    ]
    return Result(
        "Peers",
        f"{PEER_ITEMS:,} export items, no latency. The peers read export items only, the tap all three streams; dlt "
        f"writes files of its own, the others write lines. Startup weighs more here than above. {rounds.told}",
        COLUMNS,
        rounds.rows(**CELLS),
        notes=[f"Versions: {', '.join(dict.fromkeys(versions))}.", *rounds.skipped],
    )


def latency(bench: Bench) -> Result:
    """Measure the tap against the hand-written loop where each request takes its time."""
    with serving(SLOW_ITEMS, latency=LATENCY_SECONDS) as server:
        rounds = bench.interleave((RAW_LOOP, TAP), server, SLOW_ITEMS, rounds=2)
    result = Result(
        "Latency",
        f"{SLOW_ITEMS:,} export items, {1000 * LATENCY_SECONDS:.0f} ms a request, pages of 100. The loop reads export "
        f"items only, one request at a time; the tap reads all three streams with `max_concurrent_requests: 4`. "
        f"{rounds.told}",
        COLUMNS,
        rounds.rows(**CELLS),
    )
    what = f"Wall time of the tap to that of the loop, {1000 * LATENCY_SECONDS:.0f} ms a request"
    result.promises.append(Promise(what, 0.35, rounds.ratios(TAP.name, wall)))
    return result


def memory(bench: Bench) -> Result:
    """Measure the tap's peak memory at two sizes of a job."""
    result = Result(
        "Memory",
        "Peak resident memory of the tap reading one export job, all three streams, no latency. Once each.",
        ("export items", "peak MiB"),
    )
    for items in (ITEMS, MANY_ITEMS):
        with serving(items) as server:
            most = bench.run(TAP, server, items).peak_mib
        result.rows.append((f"{items:,}", f"{most:.0f}"))
        result.promises.append(Promise(f"Peak memory at {items:,} export items", 80, [most], "MiB"))
    return result
