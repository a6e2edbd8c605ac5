from __future__ import annotations

import pytest

from fleet.signature import Replays, WrongSignature, sign, verify

# Made with the convention's own library, standardwebhooks 1.0.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = 1614265330.0
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_a_delivery_that_is_signed_is_believed() -> None:
    rotated = HEADERS | {"webhook-signature": f"v2,xxx v1,wrong {HEADERS['webhook-signature']}"}

    for headers in (HEADERS, rotated):
        assert verify(SECRET, headers, BODY, NOW) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({}, b'{"test": 2432232315}', NOW),
        ({"webhook-id": "msg_other"}, BODY, NOW),
        ({"webhook-timestamp": "1614265331"}, BODY, NOW),
        ({"webhook-timestamp": "soon"}, BODY, NOW),
        ({"webhook-timestamp": "9" * 400}, BODY, NOW),
        ({"webhook-signature": ""}, BODY, NOW),
        ({"webhook-signature": "v1,Ünicode"}, BODY, NOW),
        ({"webhook-id": ""}, BODY, NOW),
        ({}, BODY, NOW + 301),
        ({}, BODY, NOW - 301),
    ],
)
def test_whatever_differs_is_not(change: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(WrongSignature):
        verify(SECRET, HEADERS | change, body, now)


def test_another_secret_signs_otherwise_and_one_that_is_none_is_refused() -> None:
    assert sign("whsec_AAAA", "a", "1", b"") != sign("whsec_BBBB", "a", "1", b"")
    with pytest.raises(WrongSignature):
        verify("whsec_AAAA", HEADERS, BODY, NOW)
    with pytest.raises(WrongSignature, match="no base64"):
        verify("whsec_%%%", HEADERS, BODY, NOW)


def test_a_replay_is_known() -> None:
    replays = Replays()

    assert [replays.is_new(delivery) for delivery in ("a", "b", "a")] == [True, True, False]
