"""The command line of every plugin: settings files, options that are JSON files, refusals, exit codes."""

from __future__ import annotations

import abc
import json
import sys
from typing import Any

import click
from dotenv import find_dotenv, load_dotenv
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase

from tap_pleo_export.singer.output import OutputError


class CommandLine(PluginBase):
    """What an SDK plugin does between its command line and its run; stands before the SDK's class among the bases."""

    @classmethod
    @abc.abstractmethod
    def execute(cls, *, config: dict[str, Any], parse_env_config: bool, **options: Any) -> int:  # noqa: ANN401 - by plugin
        """Run the plugin with its settings and its own options; return the exit code."""

    @classmethod
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,  # noqa: ANN401 - what cb_config returns
        **options: Any,  # noqa: ANN401 - by plugin
    ) -> None:
        """Run the command line, and exit with the run's code.

        Raises:
            SystemExit: At its end.
        """
        if about:
            cls.print_about(about_format)
            sys.exit(0)
        cls.print_version(cls.logger.info)
        code = cls.execute(config=config.config, parse_env_config=config.parse_env, **options)
        # The process behind need not wait for this one's interpreter to end.
        sys.stdout.close()
        sys.exit(code)

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401 - the SDK's own
        """Read the settings files; one that cannot be read is the user's to mend."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError):
            raise click.ClickException(
                f"--config: {' or '.join(value)} is no readable JSON object with settings"
            ) from None


def read_dotenv() -> None:
    """Take what a file `.env` of the folder that the command runs in, or of one above it, adds to the environment.

    The SDK looks beside its own code instead, and prefers the file to the environment.
    """
    if path := find_dotenv(usecwd=True):
        load_dotenv(path, override=False)


def main(plugin: type[PluginBase]) -> None:
    """Run a plugin's command line; each refused setting is a line, also where the SDK does not expect one."""
    try:
        plugin.cli()
    except ConfigValidationError as error:
        for problem in error.errors:
            plugin.logger.error(problem)  # noqa: TRY400 - a user reads a line, not a traceback
        sys.exit(1)
    except OutputError as error:
        plugin.logger.error("%s", error)  # noqa: TRY400 - as above
        sys.exit(1)


def refuse(problems: list[str]) -> None:
    """Refuse the settings if there are problems with them.

    Args:
        problems: One line each.

    Raises:
        ConfigValidationError: With all of them; the SDK logs each as an ERROR and exits with 1.
    """
    if problems:
        raise ConfigValidationError("Config validation failed", errors=problems, schema={})


def json_file(file: Any, option: str) -> dict[str, Any] | None:  # noqa: ANN401 - an open text file or None
    """Return the content of a file given as an option; None if none was.

    Raises:
        click.ClickException: It holds no JSON object.
    """
    if file is None:
        return None
    try:
        content = json.load(file)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise click.ClickException(f"{option}: {file.name} does not hold a JSON object")
    return content
