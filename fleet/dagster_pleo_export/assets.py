"""The assets, one partition per company; a run executes the real ``meltano run``."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import dagster as dg

from dagster_pleo_export import locks, pipeline, run_history, runtime
from dagster_pleo_export.companies import Fleet
from dagster_pleo_export.fleet_file import Company
from dagster_pleo_export.locks import LockTaken
from dagster_pleo_export.run_planning import jobs_in
from dagster_pleo_export.secrets import SecretMissing

COMPANIES = dg.DynamicPartitionsDefinition(name=run_history.COMPANIES)
LOAD = dg.AssetKey("load")
REPORT = dg.AssetKey("report")
# For the Meltano of a dead worker, which has 20 s to save its state.
LOCK_SECONDS = 60.0
# By then a load that lasts longer has created the tables.
TABLES_SECONDS = 30.0
# After the connection to Dagster's database was lost.
LOSS_RETRIES = 2
LOSS_SECONDS = 5


@dg.asset(
    key=LOAD,
    partitions_def=COMPANIES,
    group_name="pleo",
    kinds={"meltano", "postgres"},
    description="A company's export items in the warehouse: `meltano run` with the company's own state.",
)
def load(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Load a company."""
    return _run(context, *_company(context), pipeline.LOAD)


@dg.asset(
    key=REPORT,
    deps=[LOAD],
    partitions_def=COMPANIES,
    group_name="pleo",
    kinds={"meltano"},
    # Companies that do not report have no output.
    output_required=False,
    description="Items that failed their checks, marked as failed in Pleo: only with `report: true` in the fleet file.",
)
def report(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Report a company's failed items to Pleo, if it reports."""
    fleet, company = _company(context)
    if fleet.reports(company):
        yield _run(context, fleet, company, pipeline.REPORT)
    else:
        context.log.info("%s does not report to Pleo: report is false in the fleet file", company.id)


def _company(context: dg.AssetExecutionContext) -> tuple[Fleet, Company]:
    fleet = runtime.fleet()
    company = fleet.companies.get(context.partition_key)
    if company is None:
        why = fleet.left_out.get(context.partition_key, [f"Company '{context.partition_key}' is not in the fleet file"])
        raise dg.Failure("; ".join(why), allow_retries=False)
    return fleet, company


@contextmanager
def _tables(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let the first loads of a fleet wait for each other: two loaders cannot create the same tables at once."""
    with ExitStack() as opened:
        if instance.get_latest_materialization_event(LOAD) is None:
            with suppress(LockTaken):
                opened.enter_context(locks.of(instance).acquire(locks.TABLES, wait=TABLES_SECONDS))
        yield


def _run(
    context: dg.AssetExecutionContext, fleet: Fleet, company: Company, plugins: tuple[str, ...]
) -> dg.MaterializeResult:
    levels = {"warning": context.log.warning, "error": context.log.error, "critical": context.log.error}
    names = locks.run_lock(context.run.run_id), locks.company_lock(company.id)
    try:
        with locks.of(context.instance).acquire(*names, wait=LOCK_SECONDS) as lease, _tables(context.instance):
            result = pipeline.run(
                fleet, company, plugins, lease, lambda level, text: levels.get(level, context.log.info)(text)
            )
    except SecretMissing as missing:
        raise dg.Failure(f"{company.id}: {missing}", allow_retries=False) from None
    except LockTaken:
        raise dg.Failure(f"{company.id}: another run of this company is still active") from None
    if lease.lost.is_set():
        raise dg.RetryRequested(max_retries=LOSS_RETRIES, seconds_to_wait=LOSS_SECONDS) from dg.Failure(
            f"{company.id}: the connection to Dagster's database was lost, and with it the lock on the company"
        )
    log = result.log
    metadata = {
        "items": log.items,
        "failed": log.failed,
        "pages": log.pages,
        "seconds": round(result.seconds, 1),
        "export jobs": ", ".join(jobs_in(context.run_tags)) or "all readable ones",
    }
    if result.exit_code == 0:
        return dg.MaterializeResult(metadata=metadata)
    raise dg.Failure(f"{company.id}: {log.why}", metadata=metadata | {"exit code": result.exit_code})
