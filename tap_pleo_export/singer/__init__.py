"""The Singer side: messages, bookmarks, signals. Knows nothing of HTTP."""
