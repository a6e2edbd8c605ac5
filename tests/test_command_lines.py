"""What every executable says about itself."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.conftest import BIN, TIMEOUT

PLUGINS = {
    "tap-pleo-export": ("Reads export jobs", "page_size", "100"),
    "map-pleo-validation": ("Adds to every export item", "on_failure", '"annotate"'),
    "map-pleo-attachments": ("Stores the files", "max_concurrent_downloads", "4"),
    "target-pleo-export": ("Reports outcomes", "batch_size", "100"),
}


def output(*command: str) -> str:
    done = subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    return done.stdout


@pytest.mark.parametrize("plugin", PLUGINS)
def test_help_says_what_the_program_does(plugin: str) -> None:
    purpose, *_ = PLUGINS[plugin]

    text = output(plugin, "--help")

    assert purpose in text
    assert "Execute the Singer" not in text


@pytest.mark.parametrize("plugin", PLUGINS)
def test_about_describes_every_setting(plugin: str) -> None:
    _, name, default = PLUGINS[plugin]
    declared = json.loads(output(plugin, "--about", "--format=json"))["settings"]["properties"]

    text = output(plugin, "--about")

    assert f"  - Name: {name}\n    Default: {default}\n    Description: " in text
    described = [setting["description"] for setting in declared.values() if "description" in setting]
    assert [line for line in described if " ".join(line.split()) not in text] == []
    assert len(described) >= len(declared) - 3
