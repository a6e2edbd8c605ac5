"""Pleo's Export API v3: requests, pages, updates, credentials. Usable without Singer."""
