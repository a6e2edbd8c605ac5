"""The command line of every plugin: settings files, JSON options, errors and exit codes."""

from __future__ import annotations

import abc
import gc
import json
import logging
import sys
import traceback
from typing import Any

import click
from dotenv import find_dotenv, load_dotenv
from singer_sdk.about import AboutInfo, TextFormatter
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase

from tap_pleo_export.singer.message_writer import OutputError
from tap_pleo_export.singer.redaction import guard_logs

PACKAGE = __name__.partition(".")[0]


class CommandLine(PluginBase):
    """Mixin that runs an SDK plugin from the command line; list it before the SDK's class."""

    @classmethod
    @abc.abstractmethod
    def execute(cls, *, config: dict[str, Any], parse_env_config: bool, **options: Any) -> int:  # noqa: ANN401 - by plugin
        """Run the plugin with its settings and options; return the exit code."""

    @classmethod
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,  # noqa: ANN401 - what cb_config returns
        **options: Any,  # noqa: ANN401 - by plugin
    ) -> None:
        """Run the command line and exit with the exit code of the run."""
        if about:
            cls.print_about(about_format)
            sys.exit(0)
        cls.print_version(cls.logger.info)
        code = cls.execute(config=config.config, parse_env_config=config.parse_env, **options)
        # The next process need not wait for this interpreter to exit.
        sys.stdout.close()
        sys.exit(code)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command; its help begins with the plugin's purpose."""
        command = super().get_singer_command()
        command.help = f"{cls.__doc__}\n\nSettings are listed by --about."
        return command

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401 - the SDK's own
        """Read the settings files; report an unreadable one as a usage error."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError, RecursionError):
            raise click.ClickException(
                f"--config: {' or '.join(value)} is not a readable JSON object with settings"
            ) from None


class _SettingsFormatter(TextFormatter, format_name="text"):
    """The SDK's text of ``--about``, each setting with its default and description."""

    def format_about(self, about_info: AboutInfo) -> str:
        """Return the text."""
        lines = super().format_about(about_info).splitlines()
        for name, declared in about_info.settings.get("properties", {}).items():
            at = lines.index(f"  - Name: {name}") + 1
            if "description" in declared:
                lines.insert(at, f"    Description: {' '.join(declared['description'].split())}")
            if declared.get("default") is not None:
                lines.insert(at, f"    Default: {json.dumps(declared['default'])}")
        return "\n".join(lines)


def read_dotenv() -> None:
    """Add the variables of a `.env` file in the working directory, or in one above it, to the environment.

    The SDK looks next to its own code instead and lets the file override the environment.
    """
    if path := find_dotenv(usecwd=True):
        load_dotenv(path, override=False)


def main(plugin: type[PluginBase]) -> None:
    """Run a plugin's command line; errors are one line each, without a traceback."""
    try:
        # Sets up logging.
        command = plugin.cli
    except ValueError as error:
        click.ClickException(f"LOGLEVEL or SINGER_SDK_LOG_CONFIG: {error}").show()
        sys.exit(1)
    if sys.__stdout__ is None:
        # Its descriptor was closed at the start; the next opened file would take its place.
        closed = OutputError("standard output is closed: connect it to a loader or a file")
        raise stop(plugin.logger, closed, OutputError)
    try:
        # Imported objects live as long as the process: exclude them from garbage collection.
        gc.freeze()
        command()
    except ConfigValidationError as error:
        for problem in error.errors:
            plugin.logger.error(problem)  # noqa: TRY400 - a user reads a line, not a traceback
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - any error is one line
        raise stop(plugin.logger, error, OutputError) from None


def stop(logger: logging.Logger, error: Exception, *expected: type[Exception]) -> SystemExit:
    """Log in one line why the run ends, and return the SystemExit to raise.

    Errors of the expected types are reported by their text, any other one as a program error with type and place.
    """
    # The error may precede the usual call.
    guard_logs()
    if isinstance(error, expected):
        logger.error("%s", error)
    else:
        name, place = type(error).__name__, _place(error)
        logger.error("Program error: %s in %s. Run again with LOGLEVEL=DEBUG and report the traceback", name, place)
        logger.debug("Traceback of the %s:", name, exc_info=error)
    return SystemExit(1)


def _place(error: Exception) -> str:
    """Return where an exception was raised, in this package if possible."""
    places = [
        f"{frame.f_globals.get('__name__')}, line {line}" for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return ([place for place in places if place.startswith(f"{PACKAGE}.")] or places)[-1]


def refuse(problems: list[str]) -> None:
    """Raise a ConfigValidationError if the settings have problems, one line each."""
    if problems:
        raise ConfigValidationError("Config validation failed", errors=problems, schema={})


def json_file(file: Any, option: str) -> dict[str, Any] | None:  # noqa: ANN401 - an open text file or None
    """Return the JSON object in a file given as an option; None without a file. Other content is a usage error."""
    if file is None:
        return None
    try:
        content = json.load(file)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise click.ClickException(f"{option}: {file.name} does not contain a JSON object")
    return content
