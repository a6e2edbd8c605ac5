"""The target: reports outcomes of items and job events to Pleo."""
