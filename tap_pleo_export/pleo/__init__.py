"""The Pleo side: HTTP, credentials, pages, errors. Knows nothing of Singer."""
