"""A Dagster code location that loads many companies: Pleo is polled cheaply, and only companies with work get a run."""
