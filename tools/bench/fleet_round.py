"""One round of discovery, measured in Dagster's own environment: the sensor with its instance, without the daemon.

``python -m tools.bench.fleet_round ROUNDS`` prints a JSON object for each round: companies, seconds, processor seconds.
"""

from __future__ import annotations

import json
import sys
import time

import dagster as dg

from dagster_pleo_export import runtime
from dagster_pleo_export.definitions import definitions
from dagster_pleo_export.discovery_state import DiscoveryState


def main(rounds: int) -> None:
    """Evaluate the sensor until this many rounds are complete."""
    sensor = definitions.resolve_sensor_def("discovery")
    companies = len(runtime.fleet().companies)
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(rounds):
            began, used, evaluations = time.monotonic(), time.process_time(), 0
            while True:
                context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
                result = sensor.evaluate_tick(context)
                for request in result.dynamic_partitions_requests or ():
                    instance.add_dynamic_partitions("companies", list(request.partition_keys))
                evaluations += 1
                state = DiscoveryState.from_cursor(result.cursor)
                if not state.left:
                    break
                cursor = result.cursor
            measured = {
                "companies": companies,
                "evaluations": evaluations,
                "failing": len(state.failing),
                "seconds": time.monotonic() - began,
                "processor": time.process_time() - used,
            }
            print(json.dumps(measured), flush=True)
            # The next round begins at once.
            state.started = 0.0
            cursor = state.to_cursor()


if __name__ == "__main__":
    main(int(sys.argv[1]))
