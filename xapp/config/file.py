"""Reads a settings file: tables, and keys without a table. An unknown key is refused by its full name."""

from collections.abc import Iterator
from typing import Any

from xapp.config.keys import BY_DOTTED, BY_FLAT, KEYS, MODELS, TABLES, Key
from xapp.errors import ConfigError
from xapp.near import did_you_mean

Values = dict[Key, Any]
ModelTables = dict[str, dict[str, Any]]
"""NAME of `[models.NAME]` → its keys, unchecked."""


def split(content: dict[str, Any], source: str) -> tuple[Values, ModelTables]:
    """The values by their keys, and the tables of models. Raises ConfigError naming table or key."""
    values: Values = {}
    for key, spelling, value in _each(content, source):
        if key in values:
            raise ConfigError(
                spelling, f"{key.in_table} and {key.flat} are one setting: keep one (in {source})"
            )
        values[key] = value
    tables = content.get(MODELS)
    return values, _model_tables(tables, source) if isinstance(tables, dict) else {}


def _each(content: dict[str, Any], source: str) -> Iterator[tuple[Key, str, Any]]:
    """Each key with its spelling and value."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _of_table(name, value, source)
        else:
            yield _flat_key(name, source), name, value


def _of_table(table: str, values: dict[str, Any], source: str) -> Iterator[tuple[Key, str, Any]]:
    if table == MODELS:
        return
    if table not in TABLES:
        hint = did_you_mean(table, {*TABLES, MODELS})
        raise ConfigError(f"[{table}]", f"no such table (in {source}){hint}")
    for name, value in values.items():
        dotted = f"{table}.{name}"
        yield _dotted_key(dotted, source), dotted, value


def _flat_key(name: str, source: str) -> Key:
    if name in BY_FLAT:
        return BY_FLAT[name]
    if name in TABLES:
        raise ConfigError(name, f"this is a table: write [{name}] above its keys (in {source})")
    raise ConfigError(name, f"no such setting (in {source}){did_you_mean(name, BY_FLAT)}")


def _dotted_key(dotted: str, source: str) -> Key:
    if dotted not in BY_DOTTED:
        raise ConfigError(dotted, f"no such setting (in {source}){_hint(dotted)}")
    return BY_DOTTED[dotted]


def _hint(dotted: str) -> str:
    """A key of another table, or of this table by its name without tables, or a similar key."""
    name = dotted.rpartition(".")[2]
    for key in KEYS:
        if name in {key.name, key.flat}:
            return f"; did you mean {key.dotted}?"
    return did_you_mean(dotted, BY_DOTTED)


def _model_tables(tables: dict[str, Any], source: str) -> ModelTables:
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{MODELS}.{name}", f"a table is wanted, [{MODELS}.{_quoted(name)}] (in {source})"
            )
        for key, value in table.items():
            if isinstance(value, dict):
                raise _dots(f"{name}.{key}", value, source)
    return tables


def _dots(name: str, table: dict[str, Any], source: str) -> ConfigError:
    """In TOML the dots of a bare name separate tables. This puts them back."""
    while len(table) == 1 and isinstance(value := next(iter(table.values())), dict):
        name = f"{name}.{next(iter(table))}"
        table = value
    text = f'a name with dots needs quotes: [{MODELS}."{name}"] (in {source})'
    return ConfigError(f"{MODELS}.{name}", text)


def _quoted(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else f'"{name}"'
