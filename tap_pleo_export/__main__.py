"""Runs the tap: ``python -m tap_pleo_export``."""

from tap_pleo_export.tap import cli

if __name__ == "__main__":
    cli()
