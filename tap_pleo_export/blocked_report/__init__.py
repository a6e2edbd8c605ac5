"""The report that a bookkeeper reads: what is blocked, why, what to do. Knows nothing of Pleo's API."""
