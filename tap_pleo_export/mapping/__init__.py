"""Mapping Singer messages of export items, line by line."""
