"""Reading Pleo: which jobs, from where on, and when a job is complete. Knows neither Singer nor HTTP."""
