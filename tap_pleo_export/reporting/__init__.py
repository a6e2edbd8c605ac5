"""Reporting back to Pleo: which updates are sent, what became of them, and when a job is completed."""
