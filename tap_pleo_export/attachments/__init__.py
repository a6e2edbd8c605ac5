"""Files behind links: fetched within limits, kept under names that say where they belong. No Singer, no messages."""
