"""A fake `meltano` for tests of Dagster's part: asks the sandbox once about its company, and ends.

If refused, it logs an error that contains its API key, as a careless plugin might.
"""

import json
import os
import sys

import requests

key = os.environ["TAP_PLEO_EXPORT_API_KEY"]
answer = requests.get(
    f"{os.environ['TAP_PLEO_EXPORT_API_URL']}/v3/export-jobs",
    {"company_id": os.environ["TAP_PLEO_EXPORT_COMPANY_ID"], "statuses": "pending"},
    auth=(key, ""),
    headers={"User-Agent": "fake-meltano"},
    timeout=300,
)
if answer.ok:
    line = {"event": f"{len(answer.json()['data'])} jobs, {sys.argv[1]}", "level": "warning"}
else:
    line = {"event": f"Pleo answered {answer.status_code} to {key}", "level": "error", "string_id": "tap-pleo-export"}
sys.stdout.write(json.dumps(line) + "\n")
sys.exit(not answer.ok)
