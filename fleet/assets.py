"""The assets: one partition a company; a run is the real ``meltano run``."""

from collections.abc import Callable, Iterator

import dagster as dg

from fleet import installation, pipeline
from fleet.companies import Fleet
from fleet.failure import jobs_of
from fleet.fleet_file import Company
from fleet.pipeline import Done
from fleet.secrets import SecretMissing

COMPANIES = dg.DynamicPartitionsDefinition(name="companies")
LOAD = dg.AssetKey("load")
REPORT = dg.AssetKey("report")
# Where a run of the company is still at work, or was killed a moment ago.
BUSY_RETRIES = 2
BUSY_SECONDS = 20


@dg.asset(
    key=LOAD,
    partitions_def=COMPANIES,
    group_name="pleo",
    kinds={"meltano", "postgres"},
    description="A company's export items in the warehouse: `meltano run` with the company's own state.",
)
def load(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Load a company."""
    return _ran(context, *_listed(context), pipeline.LOAD)


@dg.asset(
    key=REPORT,
    deps=[LOAD],
    partitions_def=COMPANIES,
    group_name="pleo",
    kinds={"meltano"},
    # Of a company that does not report nothing comes.
    output_required=False,
    description="Items that failed their checks, marked as failed in Pleo: only with `report: true` in the fleet file.",
)
def report(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Report a company's failed items to Pleo, if it reports."""
    fleet, company = _listed(context)
    if fleet.reports(company):
        yield _ran(context, fleet, company, pipeline.REPORT)
    else:
        context.log.info("%s does not report to Pleo: report is false in the fleet file", company.id)


def _listed(context: dg.AssetExecutionContext) -> tuple[Fleet, Company]:
    fleet = installation.fleet()
    company = fleet.companies.get(context.partition_key)
    if company is None:
        raise dg.Failure(f"Company '{context.partition_key}' is not in the fleet file", allow_retries=False)
    return fleet, company


def _ran(
    context: dg.AssetExecutionContext, fleet: Fleet, company: Company, blocks: tuple[str, ...]
) -> dg.MaterializeResult:
    try:
        done = pipeline.run(fleet, company, blocks, _teller(context))
    except SecretMissing as missing:
        raise dg.Failure(f"{company.id}: {missing}", allow_retries=False) from None
    if done.exit_code == 0:
        return dg.MaterializeResult(metadata=_metadata(context, done))
    if done.log.busy:
        raise dg.RetryRequested(max_retries=BUSY_RETRIES, seconds_to_wait=BUSY_SECONDS) from dg.Failure(
            f"{company.id}: another run of this company is at work: {done.log.why}"
        )
    raise dg.Failure(f"{company.id}: {done.log.why}", metadata=_metadata(context, done) | {"exit code": done.exit_code})


def _metadata(context: dg.AssetExecutionContext, done: Done) -> dict[str, int | float | str]:
    counts = {"items": done.log.items, "failed": done.log.failed, "pages": done.log.pages}
    return {
        **counts,
        "seconds": round(done.seconds, 1),
        "export jobs": ", ".join(jobs_of(context.run_tags)) or "all readable ones",
    }


def _teller(context: dg.AssetExecutionContext) -> Callable[[str, str], None]:
    levels = {"warning": context.log.warning, "error": context.log.error, "critical": context.log.error}

    def tell(level: str, text: str) -> None:
        levels.get(level, context.log.info)(text)

    return tell
