"""Whether each `[models.NAME]` names a model by the name it is served as."""

import logging
from collections.abc import Callable, Iterable

from xapp import logs
from xapp.errors import ConfigError, XappError

_log = logging.getLogger(__name__)


def check_tables(names: Iterable[str], name_of: Callable[[str], str], default: str) -> None:
    """`name_of` gives the name that a model is served as, and raises XappError where there is none.

    A table of a model that is not here is a warning: many nodes share one file, and a model may be fetched
    later. Raises ConfigError for a table that means the default model by another name: the node would
    serve with other settings than were written for it.
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
