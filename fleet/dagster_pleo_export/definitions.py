"""The code location: ``dagster-daemon run -m dagster_pleo_export.definitions``."""

import math

import dagster as dg

from dagster_pleo_export import alerts, run_history, runtime, scratch, sensor
from dagster_pleo_export.assets import LOAD, REPORT, load, report
from dagster_pleo_export.companies import read_file
from dagster_pleo_export.fleet_file import DiscoveryOptions, FleetError
from tap_pleo_export.singer.redaction import guard_logs

# Dagster looks this often, give or take some milliseconds, whether a sensor is due.
LOOK_SECONDS = 5


def _report_and_tick() -> tuple[bool, int]:
    """Return whether some company may report, and the sensor's tick: the definitions depend on both."""
    try:
        file = read_file(runtime.path())
    except FleetError:
        # The sensor's first tick reports the error.
        return False, DiscoveryOptions().tick
    return file.may_report, file.discovery.tick


@dg.asset_check(
    asset=LOAD,
    name=sensor.FRESH,
    description="No company has an old readable job without a complete load. The sensor evaluates it after each round.",
)
def fresh(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Evaluate the sensor's last state."""
    return sensor.freshness(run_history.discovery_state(context.instance), runtime.fleet())


guard_logs()
scratch.sweep()
_report, _tick = _report_and_tick()
# Between two looks: a sensor that is due at a look may miss it, and be late by another.
_due = math.ceil(_tick / LOOK_SECONDS) * LOOK_SECONDS - LOOK_SECONDS // 2
company = dg.define_asset_job(
    "company",
    selection=dg.AssetSelection.assets(LOAD, *([REPORT] if _report else [])).without_checks(),
    description="Loads one company" + (" and reports to Pleo" if _report else ""),
)
definitions = dg.Definitions(
    assets=[load, *([report] if _report else []), dg.AssetSpec(run_history.WEBHOOKS, group_name="pleo")],
    asset_checks=[fresh],
    jobs=[company],
    sensors=[sensor.build(company.name, _due), alerts.build(company, _due)],
    # A run starts Meltano's processes; another one for each step would be waste.
    executor=dg.in_process_executor,
)
