"""Booking vouchers in an accounting system."""
