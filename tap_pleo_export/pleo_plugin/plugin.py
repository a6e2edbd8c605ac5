"""The base class of tap and target: settings checked first, one API client, one way to end."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import ConfigValidationError, MappingError

from tap_pleo_export.pleo_plugin import setting_rules, settings
from tap_pleo_export.singer.command_line import CommandLine, read_dotenv, refuse
from tap_pleo_export.singer.metrics import name_streams
from tap_pleo_export.singer.redaction import SECRETS, guard_logs
from tap_pleo_export.singer.signals import Interrupts
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from tap_pleo_export.api.pleo_api import PleoApi


class PleoPlugin(CommandLine):
    """An SDK plugin that uses Pleo's API; comes before the SDK's class in the list of bases."""

    grace: ClassVar[float | None] = None
    """Seconds that a running request has left after a signal; None: shielded blocks run to their end."""

    def __init__(self, *, validate_config: bool = True, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        self.interrupts = Interrupts(grace=self.grace)
        self._misread: list[str] = []
        guard_logs()
        name_streams()
        try:
            super().__init__(validate_config=validate_config, **kwargs)
        except ConfigValidationError as error:
            # The SDK's lines quote refused values, secrets among them; ours do not cover all of its settings.
            refuse(self._problems() or list(map(one_line, error.errors or [str(error)])))
        except MappingError as error:
            refuse([*self._problems(), f"Setting 'stream_maps': {one_line(str(error))}"])
        if validate_config:
            refuse(self._problems())
            for line in settings.unknown_settings(self.config, self.config_jsonschema):
                self.logger.warning(line)

    @property
    def oauth_scopes(self) -> Collection[str]:
        """The OAuth scopes that all requests together need."""
        return ()

    @property
    def user_agent(self) -> str:
        """The setting `user_agent`, or name and version."""
        return str(self.config.get("user_agent", f"{self.name}/{self.plugin_version}"))

    @cached_property
    def api(self) -> PleoApi:
        """The API client, made for the first request."""
        # --discover and --about need no HTTP client, which is slow to import.
        from tap_pleo_export.api.pleo_api import PleoApi  # noqa: PLC0415

        return PleoApi.from_settings(
            self.config,
            user_agent=self.user_agent,
            scopes=self.oauth_scopes,
            shielded=self.interrupts.shielded,
            stopping=self.interrupts.pending,
            sleep=self.interrupts.sleep,
            learn_secrets=SECRETS.learn,
        )

    def close(self) -> None:
        """Close the connections, if any were opened."""
        if "api" in vars(self):
            self.api.close()

    @property
    def _env_var_config(self) -> dict[str, Any]:
        """The settings of the environment; an empty variable counts as not set, unreadable ones are problems."""
        self.append_builtin_config(self.config_jsonschema)
        prefix = f"{self.name.upper().replace('-', '_')}_"
        read_dotenv()
        config, self._misread = settings.from_environment(os.environ, prefix, self.config_jsonschema)
        return config

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Normalise the settings, and mask secrets before any line can quote one."""
        self._config = settings.given(self._config)
        SECRETS.learn(settings.secret_values(self._config))
        return super()._validate_config(raise_errors=raise_errors)

    def _problems(self) -> list[str]:
        return [*setting_rules.problems(self.config, self.config_jsonschema), *self._misread]
