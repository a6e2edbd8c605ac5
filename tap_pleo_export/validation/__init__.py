"""Checks of export items before they are recorded: configuration in, record in, findings out.

Pure: no Singer, and no I/O but `references` (reference lists and the shipped tables).

    settings → Validator → judge(record) → Verdict (findings, in Pleo's words)
"""

from tap_pleo_export.validation.settings import Settings, SettingsError, parse_settings
from tap_pleo_export.validation.validator import Validator
from tap_pleo_export.validation.verdict import MEMBERS, Finding, Posting, Subject, Verdict

__all__ = [
    "MEMBERS",
    "Finding",
    "Posting",
    "Settings",
    "SettingsError",
    "Subject",
    "Validator",
    "Verdict",
    "parse_settings",
]
