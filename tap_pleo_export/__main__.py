"""Runs the tap: ``python -m tap_pleo_export``."""

from tap_pleo_export.commands import tap

if __name__ == "__main__":
    tap()
