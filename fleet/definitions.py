"""The code location: ``dagster-daemon run -m fleet.definitions``."""

import time

import dagster as dg

from fleet import alerts, installation, sensor
from fleet.assets import LOAD, REPORT, load, report
from fleet.companies import FleetError, read_file
from fleet.history import WEBHOOKS
from fleet.rounds import Rounds
from tap_pleo_export.singer.redaction import guard_logs


def _file_says() -> tuple[bool, int]:
    """Return whether reports may be wanted, and the sensor's tick: what must be known before any company is."""
    try:
        file = read_file(installation.path())
    except FleetError:
        # The sensor's first tick says what is wrong.
        return False, 15
    return file.may_report, file.discovery.tick


@dg.asset_check(
    asset=LOAD,
    name=sensor.FRESH,
    description="No company's readable job is old without a complete load. Evaluated by the sensor after each round.",
)
def fresh(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Evaluate by what the sensor has seen last."""
    states = context.instance.all_instigator_state()
    cursors = [s.instigator_data.cursor for s in states if s.name == "discovery" and s.instigator_data]
    rounds = Rounds.from_cursor(cursors[0] if cursors else None)
    now = time.time()
    late = rounds.late(now, installation.fleet().file.alerts.fresh_minutes)
    return dg.AssetCheckResult(
        passed=not late and not rounds.failing, metadata={"late": dg.MetadataValue.json(sensor.described(late, now))}
    )


guard_logs()
_report, _tick = _file_says()
company = dg.define_asset_job(
    "company",
    selection=dg.AssetSelection.assets(LOAD, *([REPORT] if _report else [])).without_checks(),
    description="Loads one company" + (" and reports to Pleo" if _report else ""),
)
definitions = dg.Definitions(
    assets=[load, *([report] if _report else []), dg.AssetSpec(WEBHOOKS, group_name="pleo")],
    asset_checks=[fresh],
    jobs=[company],
    sensors=[sensor.build(company, _tick), alerts.build(company, _tick)],
    # One process a run: Meltano's are enough.
    executor=dg.in_process_executor,
)
