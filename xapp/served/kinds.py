"""The kind of a model, and the refusals that follow from it."""

from xapp.config import ModelSettings
from xapp.domain.kinds import GENERATE, Capability, ModelKind
from xapp.errors import ModelError
from xapp.models.parts import check_parts
from xapp.models.store import ModelFile


def stated_kind(file: ModelFile, own: ModelSettings) -> ModelKind:
    """The kind in the model's table, otherwise in the catalogue.

    The default is a model that generates text. Loading corrects this from the file.
    """
    in_catalogue = file.entry.kind.model_kind if file.entry is not None else GENERATE
    return own.stated_kind or in_catalogue


def kind_of(file: ModelFile, own: ModelSettings, in_file: ModelKind) -> ModelKind:
    """The kind of a model whose file was read. The file says it where nothing else does."""
    stated = stated_kind(file, own)
    return stated if own.stated_kind is not None or not stated.generates else in_file


def check_loadable(file: ModelFile, own: ModelSettings) -> None:
    """Raises ModelError for an incomplete model, or for a kind without a worker."""
    check_parts(file.path)
    require_worker(file.name, stated_kind(file, own))


def require_worker(name: str, kind: ModelKind) -> None:
    """Raises ModelError, reason UNSUPPORTED_MODEL, where no worker can load this kind."""
    if not kind.has_worker:
        raise no_worker(name, kind)


def no_worker(name: str, kind: ModelKind) -> ModelError:
    """The error for a model whose kind has no worker in this build."""
    text = f"{name} is of kind {kind.name}, a model that {kind.capability}: this kind has no worker yet"
    return ModelError(text, reason="UNSUPPORTED_MODEL")


def require_capability(name: str, kind: ModelKind, needed: Capability) -> None:
    """Raises ModelError, reason UNSUPPORTED_MODEL, for a request to a model of another kind."""
    if kind.capability is not needed:
        what = f"{name} is of kind {kind.name}, a model that {kind.capability}"
        raise ModelError(f"{what}: {_LACKS[needed]}", reason="UNSUPPORTED_MODEL")


_LACKS = {
    Capability.GENERATE: "it generates no text",
    Capability.EMBED: "it makes no vectors",
    Capability.RANK: "it ranks nothing",
}
