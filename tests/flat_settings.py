"""Settings by their names without tables, as the environment has them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from xapp.config import ModelSettings, Settings, load_settings
from xapp.config.models import OWN_KEYS


def flat_settings(own: Mapping[str, Mapping[str, Any]] | None = None, **values: Any) -> Settings:
    """`flat_settings(slots=4, host="::1")`; `own` has the table of each model that has one."""
    settings = load_settings({}, values)
    tables = {name: _own(settings, dict(table)) for name, table in (own or {}).items()}
    return msgspec.structs.replace(settings, models=tables)


def _own(settings: Settings, table: dict[str, Any]) -> ModelSettings:
    own = {name: table.pop(name) for name in OWN_KEYS if name in table}
    return ModelSettings(engine=msgspec.structs.replace(settings.engine, **table), **own)
