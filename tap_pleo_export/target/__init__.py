"""The target: reports item results and job events back to Pleo."""
