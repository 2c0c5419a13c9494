"""Checks that each `[models.NAME]` table names a model by the name it is served as."""

import logging
from collections.abc import Callable, Iterable

from xapp import logs
from xapp.errors import ConfigError, XappError

_log = logging.getLogger(__name__)


def check_tables(names: Iterable[str], name_of: Callable[[str], str], default: str) -> None:
    """`name_of` returns the name that a model is served as, and raises XappError for an unknown model.

    A table of an unknown model is a warning: many nodes share one file, and the model may be fetched later.
    Raises ConfigError for a table that names the default model by another name: its settings would not be
    applied.
    """
    for name in names:
        try:
            served = name_of(name)
        except XappError as error:
            _warn(name, error.message)
            continue
        if served == name:
            continue
        text = f'this model is served as {served}: name the table [models."{served}"]'
        if served == default:
            raise ConfigError(f"models.{name}", text)
        _warn(name, text)


def _warn(name: str, text: str) -> None:
    fields: dict[str, object] = {"event": "unused_model_settings", "model": name}
    logs.event(_log, f"models.{name}: {text}", fields, level=logging.WARNING)
