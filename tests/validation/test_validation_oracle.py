"""The validator agrees with a simple second implementation on 20,000 random items and configurations."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from tap_pleo_export.validation import Validator, parse_settings
from tests.validation import oracle, random_cases


@pytest.mark.parametrize("seed", range(8))
def test_validator_agrees_with_the_oracle(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - seeded, so that a failure can be had again
    outcomes = set()
    for _ in range(50):
        config = random_cases.config(random)
        validator = Validator(parse_settings(config))
        schemas = {check["id"]: check["schema"] for check in config["checks"]}
        for _ in range(50):
            item = random_cases.item(random)
            failures = {name: random_cases.user_failure(schema, item) for name, schema in schemas.items()}
            expected = oracle.verdict(config, item, failures)
            assert msgspec.json.decode(msgspec.json.encode(validator.judge(item))) == expected, (config, item)
            outcomes |= {(entry["check"], entry["status"]) for entry in expected["validationChecks"]}
    assert len(outcomes) == 16, "every check passes somewhere and fails somewhere"
