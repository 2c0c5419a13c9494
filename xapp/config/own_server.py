"""The settings of a server that a command starts for itself, beside the node of the same settings."""

import msgspec

from xapp.config.engine import EngineSettings
from xapp.config.models import ModelSettings
from xapp.config.settings import Settings

_OF_THE_NODE = ("openai", "tls", "access", "ric")
"""Tables by which others reach the node. The command itself has no credentials, and needs no such port."""


def for_a_command(settings: Settings) -> Settings:
    """Without what others reach the node by: credentials, TLS, the RIC, OpenAI's port."""
    defaults = Settings()
    return msgspec.structs.replace(settings, **{table: getattr(defaults, table) for table in _OF_THE_NODE})


def started_quickly(settings: Settings) -> Settings:
    """Flash attention is not measured before the first answer, which would take up to 1.5 s."""
    models = {name: _quick_model(own) for name, own in settings.models.items()}
    return msgspec.structs.replace(settings, engine=_quick(settings.engine), models=models)


def _quick_model(own: ModelSettings) -> ModelSettings:
    return msgspec.structs.replace(own, engine=_quick(own.engine))


def _quick(engine: EngineSettings) -> EngineSettings:
    if engine.flash_attention != "auto":
        return engine
    return msgspec.structs.replace(engine, flash_attention="on")
