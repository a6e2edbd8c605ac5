"""`make demo`: the main job against a local Pleo and a local PostgreSQL."""
