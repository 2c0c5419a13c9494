"""The models that the settings name, checked before any of them is loaded."""

from pathlib import Path

from xapp.config import Settings
from xapp.errors import ConfigError, XappError
from xapp.models.store import ModelFile
from xapp.served.dependencies import ModelDependencies
from xapp.served.draft_file import check_draft
from xapp.served.helper_settings import check_helpers
from xapp.served.kinds import check_loadable
from xapp.served.model_tables import check_tables


def named_models(settings: Settings) -> list[tuple[str, str]]:
    """Key and name of each model that is loaded at the start, the default model first."""
    others = filter(None, map(str.strip, settings.node.models.split(",")))
    return [("XAPP_MODEL", settings.node.model), *(("XAPP_MODELS", name) for name in others)]


def wanted_models(settings: Settings) -> list[str]:
    """Each model that is loaded at the start, and their draft models, by the names in the settings."""
    names = [name for _, name in named_models(settings)]
    drafts = [settings.engine.draft, *(own.engine.draft for own in settings.models.values())]
    return list(dict.fromkeys(filter(None, [*names, *drafts])))


def configured_models(settings: Settings, tools: ModelDependencies, models_dir: Path) -> list[ModelFile]:
    """The files, the default model's first. Raises ConfigError with the key."""
    found = [_file(key, name, settings, tools, models_dir) for key, name in named_models(settings)]
    files = list({file.name: file for file in found}.values())
    if len(files) > settings.node.max_models:
        raise ConfigError("XAPP_MODELS", f"{len(files)} models, XAPP_MAX_MODELS allows fewer")
    check_tables(settings.models, lambda name: tools.resolve(name, models_dir).name, files[0].name)
    for file in files:
        own = settings.of_model(file.name)
        check_draft(own, file, tools.resolve, models_dir)
        check_helpers(file.name, own)
    return files


def _file(key: str, name: str, settings: Settings, tools: ModelDependencies, models_dir: Path) -> ModelFile:
    try:
        file = tools.resolve(name, models_dir)
        check_loadable(file, settings.of_model(file.name))
    except XappError as error:
        raise ConfigError(key, error.message) from error
    return file
