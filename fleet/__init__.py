"""A Dagster code location that loads many companies: Pleo is asked cheaply, and only companies with work get a run."""
