"""Runs real things against the sandbox: Meltano, shell pipes, PostgreSQL; for the demo, the tests and the soak."""
