"""Pleo's Export API: the client, its credentials, pages, jobs and errors."""
