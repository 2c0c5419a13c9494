"""The file of a model's draft model: settings name it as they name a model."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from xapp.config import ModelSettings
from xapp.errors import ConfigError, XappError
from xapp.models.store import ModelFile

Resolve = Callable[[str, Path], ModelFile]


def with_draft_file(
    own: ModelSettings, model: ModelFile, resolve: Resolve, models_dir: Path
) -> ModelSettings:
    """The settings with the path of the draft model. A model that is its own draft model has none.

    A draft model that is not there keeps its name: its worker cannot load it, and says so.
    """
    if not own.engine.draft:
        return own
    try:
        path = resolve(own.engine.draft, models_dir).path
    except XappError:
        return own
    draft = "" if path == model.path else str(path)
    return msgspec.structs.replace(own, engine=msgspec.structs.replace(own.engine, draft=draft))


def check_draft(own: ModelSettings, model: ModelFile, resolve: Resolve, models_dir: Path) -> None:
    """Raises ConfigError naming both models where the draft model is not on this node, and where the default
    strategy needs a draft model and there is none.
    """
    if own.engine.strategy == "draft" and not own.engine.draft:
        text = f"draft needs a draft model for {model.name}: set XAPP_DRAFT_MODEL, or take another strategy"
        raise ConfigError("XAPP_STRATEGY", text)
    if own.engine.draft:
        try:
            resolve(own.engine.draft, models_dir)
        except XappError as error:
            text = f"the draft model of {model.name}: {error.message}"
            raise ConfigError("XAPP_DRAFT_MODEL", text) from error
