"""The tap: export jobs, job items and export items as Singer streams."""
