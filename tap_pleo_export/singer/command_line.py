"""The command line of every plugin: settings files, options that are JSON files, refusals, exit codes."""

from __future__ import annotations

import abc
import gc
import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

import click
from dotenv import find_dotenv, load_dotenv
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase

from tap_pleo_export.singer.message_writer import OutputError
from tap_pleo_export.singer.redaction import guard_logs

if TYPE_CHECKING:
    import logging

PACKAGE = __name__.partition(".")[0]


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
        except (OSError, ValueError, TypeError, RecursionError):
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
    """Run a plugin's command line; whatever ends it is a line, each refused setting one of its own."""
    try:
        # Logging is set up by this.
        command = plugin.cli
    except ValueError as error:
        click.ClickException(f"LOGLEVEL or SINGER_SDK_LOG_CONFIG: {error}").show()
        sys.exit(1)
    try:
        _check_stdout(sys.stdout)
        # What the imports have made lives as long as the process: no collection need look at it again.
        gc.freeze()
        command()
    except ConfigValidationError as error:
        # Also where the SDK does not expect one.
        for problem in error.errors:
            plugin.logger.error(problem)  # noqa: TRY400 - a user reads a line, not a traceback
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - whatever it is
        raise stop(plugin.logger, error, OutputError) from None


def stop(logger: logging.Logger, error: Exception, *expected: type[Exception]) -> SystemExit:
    """Say in one line why the run ends, and return what ends it.

    Args:
        logger: Where it is said.
        error: The reason.
        expected: Reasons whose text says it all; any other is a fault of the program, named by its type and place.
    """
    # A fault may come before anything else has done it.
    guard_logs()
    if isinstance(error, expected):
        logger.error("%s", error)
    else:
        name, place = type(error).__name__, _place(error)
        logger.error("Fault of the program: %s in %s. Run it with LOGLEVEL=DEBUG and report the traceback", name, place)
        logger.debug("Traceback of the %s:", name, exc_info=error)
    return SystemExit(1)


def _check_stdout(stdout: object) -> None:
    # Python has none where its descriptor was closed at the start; the next file to be opened would take its place.
    if stdout is None:
        raise OutputError("standard output is closed: connect it to a loader or a file")


def _place(error: Exception) -> str:
    """Return where in this package an exception came up, or where at all."""
    places = [(str(frame.f_globals.get("__name__")), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [place for place in places if place[0].startswith(f"{PACKAGE}.")]
    module, line = (own or places)[-1]
    return f"{module}, line {line}"


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
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise click.ClickException(f"{option}: {file.name} does not hold a JSON object")
    return content
