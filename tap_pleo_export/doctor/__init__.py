"""`pleo-export-doctor`: what would go wrong, before the first scheduled run."""
