"""What kind a model is, and what is refused because of it."""

from xapp.config import ModelSettings
from xapp.domain.kinds import GENERATE, ModelKind
from xapp.errors import ModelError
from xapp.models.parts import check_parts
from xapp.models.store import ModelFile


def stated_kind(file: ModelFile, own: ModelSettings) -> ModelKind:
    """What the model's table states, else the catalogue.

    A model of neither counts as one that generates text: its file says otherwise when it is loaded.
    """
    in_catalogue = file.entry.kind.model_kind if file.entry is not None else GENERATE
    return own.stated_kind or in_catalogue


def check_loadable(file: ModelFile, own: ModelSettings) -> None:
    """Raises ModelError for a model that is not whole, or of a kind that has no worker yet."""
    check_parts(file.path)
    require_worker(file.name, stated_kind(file, own))


def require_worker(name: str, kind: ModelKind) -> None:
    """Raises ModelError, reason UNSUPPORTED_MODEL, where no worker can load this kind."""
    if not kind.has_worker:
        raise no_worker(name, kind)


def no_worker(name: str, kind: ModelKind) -> ModelError:
    """A model is there, and this build has no worker for its kind."""
    text = f"{name} is of kind {kind.name}, a model that {kind.capability}: this kind has no worker yet"
    return ModelError(text, reason="UNSUPPORTED_MODEL")


def require_text(name: str, kind: ModelKind) -> None:
    """Raises ModelError, reason UNSUPPORTED_MODEL, where requests for text go to another kind of model."""
    if not kind.generates:
        text = f"{name} is of kind {kind.name}, a model that {kind.capability}: it generates no text"
        raise ModelError(text, reason="UNSUPPORTED_MODEL")
