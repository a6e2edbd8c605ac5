"""Shared by all plugins and independent of Pleo: command line, messages, signals, redaction, exact JSON."""
