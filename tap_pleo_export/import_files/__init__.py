"""Vouchers as files that accounting systems import."""
