"""Report of blocked items for bookkeepers: the items, the reasons and the remedies."""
