"""Standard Webhooks: the signature over id, time and body (https://www.standardwebhooks.com). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "whsec_"
VERSION = "v1"
TOLERANCE = 300.0
MOST_REMEMBERED = 10_000


class WrongSignature(Exception):
    """A delivery that is not to be believed; ``str()`` says why, for the log only."""


def sign(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a delivery, as ``webhook-signature`` has it.

    Raises:
        WrongSignature: The secret is none of this convention.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WrongSignature("the subscription's secret is no base64") from None
    signed = b".".join([delivery.encode(), timestamp.encode(), body])
    return f"{VERSION},{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Return the id of a delivery that is signed with the secret, and not old.

    Args:
        secret: The subscription's, ``whsec_…``.
        headers: ``webhook-id``, ``webhook-timestamp`` (seconds since the epoch), ``webhook-signature`` (one or more,
            with blanks between).
        body: The raw body.
        now: Seconds since the epoch.

    Raises:
        WrongSignature: It is not.
    """
    delivery = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not delivery or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):  # noqa: PLR2004 - a year beyond 5000
        raise WrongSignature("its id or its time is missing")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise WrongSignature("its time is too far from now")
    wanted = sign(secret, delivery, timestamp, body).encode()
    given = headers.get("webhook-signature", "").encode("utf-8", "replace").split()
    if not any([hmac.compare_digest(one, wanted) for one in given]):  # noqa: C419 - all are compared, whatever the first says
        raise WrongSignature("its signature is wrong")
    return delivery


class Replays:
    """The ids of the newest deliveries: a delivery that comes again within the tolerance is known."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, delivery: str) -> bool:
        """Note a delivery; return whether it is new."""
        if delivery in self._seen:
            return False
        self._seen[delivery] = None
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return True
