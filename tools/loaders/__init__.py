"""`make loaders`: what each loader makes of the same items, written to docs/loaders.md."""
