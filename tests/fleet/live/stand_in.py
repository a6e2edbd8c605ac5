"""Stands in for `meltano` where only Dagster's part is tested: asks the sandbox once about its company, and ends.

Refused, it says so as a plugin would that gives its key away.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from base64 import b64encode

key = b64encode(f"{os.environ['TAP_PLEO_EXPORT_API_KEY']}:".encode()).decode()
company = os.environ["TAP_PLEO_EXPORT_COMPANY_ID"]
url = f"{os.environ['TAP_PLEO_EXPORT_API_URL']}/v3/export-jobs?company_id={company}&statuses=pending"
request = urllib.request.Request(url, headers={"Authorization": f"Basic {key}", "User-Agent": "stand-in"})  # noqa: S310 - the sandbox's
try:
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
        found = len(json.load(answer)["data"])
except urllib.error.HTTPError as error:
    said = f"Pleo answered {error.code} to {os.environ['TAP_PLEO_EXPORT_API_KEY']}"
    sys.stdout.write(json.dumps({"event": said, "level": "error", "string_id": "tap-pleo-export"}) + "\n")
    sys.exit(1)
sys.stdout.write(json.dumps({"event": f"{found} jobs, {sys.argv[1]}", "level": "warning"}) + "\n")
