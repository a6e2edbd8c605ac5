"""Checks export items before they are recorded: configuration and record in, findings out.

Independent of Singer; the only I/O is reading reference lists and the shipped tables.

    settings → Validator → judge(record) → Verdict (findings, in Pleo's words)
"""

from tap_pleo_export.validation.booking import Posting
from tap_pleo_export.validation.settings import Settings, parse_settings
from tap_pleo_export.validation.user_checks import SettingsError
from tap_pleo_export.validation.validator import Validator
from tap_pleo_export.validation.verdict import MEMBERS, Finding, Subject, Verdict

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
