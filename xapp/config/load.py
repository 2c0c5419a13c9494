"""Makes the Settings: the defaults, then the file, the environment, the command line."""

from collections.abc import Mapping
from typing import Any

import msgspec

from xapp.config.engine import EngineSettings
from xapp.config.environment import read_environment
from xapp.config.file import ModelTables, Values, split
from xapp.config.keys import BY_FLAT, KEYS_OF_A_MODEL, MODELS, TABLES, Key
from xapp.config.models import OWN_KEYS, ModelSettings
from xapp.config.settings import Settings
from xapp.domain.kinds import MODEL_KINDS
from xapp.errors import ConfigError
from xapp.near import did_you_mean, nearest
from xapp.settings_file import FILE_KEY, read_settings_file
from xapp.text_file import is_utf8

_OF_A_MODEL = {key.name: key for key in KEYS_OF_A_MODEL}


def load_settings(environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """`overrides` are from the command line, by names without a table; None is not set.

    A key of `[models.NAME]` takes precedence over `[engine]` from any source, because it is more specific.
    Raises ConfigError with the table or key.
    """
    values, models = split(read_settings_file(environ), environ.get(FILE_KEY, ""))
    values |= read_environment(environ)
    values |= {BY_FLAT[name]: value for name, value in (overrides or {}).items() if value is not None}
    for key, value in values.items():
        _check(key, value, key.variable, f" ({key.in_table})")
    return msgspec.convert(_nested(values) | {MODELS: _models(values, models)}, Settings, strict=False)


def _nested(values: Values) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for key, value in values.items():
        tables.setdefault(key.table, {})[key.name] = value
    return tables


def _check(key: Key, value: Any, spelling: str, other: str = "") -> None:
    """Raises ConfigError with the key `spelling`. `other` ends its message."""
    if isinstance(value, str) and not is_utf8(value):
        raise ConfigError(spelling, f"{value!r}: is not UTF-8{other}")
    try:
        msgspec.convert({key.name: value}, TABLES[key.table], strict=False)
    except msgspec.ValidationError as error:
        reason = str(error).split(" - at ")[0]
        raise ConfigError(spelling, f"{value!r}: {reason}{other}") from error


# ---- settings of one model


def _models(values: Values, tables: ModelTables) -> dict[str, ModelSettings]:
    engine = {key.name: value for key, value in values.items() if key.table == "engine"}
    return {name: _model(f"{MODELS}.{name}", table, engine) for name, table in tables.items()}


def _model(where: str, table: dict[str, Any], engine: dict[str, Any]) -> ModelSettings:
    own = {name: value for name, value in table.items() if name not in OWN_KEYS}
    for name, value in own.items():
        _check_of_model(where, name, value)
    merged = msgspec.convert(engine | own, TABLES["engine"], strict=False)
    return _with_own_keys(where, table, merged)


def _with_own_keys(where: str, table: dict[str, Any], engine: EngineSettings) -> ModelSettings:
    kind = _kind(where, table.get("kind", ""))
    others = {name: table[name] for name in OWN_KEYS if name in table and name != "kind"}
    for name, value in others.items():
        try:
            msgspec.convert({name: value}, ModelSettings)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}.{name}", f"{value!r}: {str(error).split(' - at ')[0]}") from error
    return ModelSettings(kind=kind, engine=engine, **others)


def _check_of_model(where: str, name: str, value: Any) -> None:
    if name == "backend":
        raise ConfigError(f"{where}.{name}", "it is the same for all models: set it in [engine]")
    if name not in _OF_A_MODEL:
        near = nearest(name, {*_OF_A_MODEL, *OWN_KEYS})
        hint = f"; did you mean {where}.{near}?" if near else ""
        raise ConfigError(f"{where}.{name}", f"no such setting of a model{hint}")
    _check(_OF_A_MODEL[name], value, f"{where}.{name}")


def _kind(where: str, kind: Any) -> str:
    if not isinstance(kind, str) or (kind and kind not in MODEL_KINDS):
        hint = did_you_mean(str(kind), MODEL_KINDS)
        raise ConfigError(
            f"{where}.kind", f"{kind!r}: no such kind, there are {', '.join(MODEL_KINDS)}{hint}"
        )
    return kind
