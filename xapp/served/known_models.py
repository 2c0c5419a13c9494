"""KnownModels: the models of this node by name, loaded or in the models folder, and their statuses."""

from pathlib import Path

from xapp.config import Settings
from xapp.domain.kinds import Capability
from xapp.domain.states import ModelState, ModelStatus
from xapp.errors import NotFound, XappError
from xapp.models.store import ModelFile
from xapp.near import did_you_mean
from xapp.served.dependencies import ModelDependencies
from xapp.served.kinds import no_worker, stated_kind
from xapp.served.served_model import ServedModel, file_size

MAX_NAME_CHARS = 256


class KnownModels:
    """`loaded` are the models that are loaded, loading or failed, by name. "" is the name of the default."""

    def __init__(self, settings: Settings, tools: ModelDependencies, folder: Path) -> None:
        self._settings = settings
        self._tools = tools
        self._folder = folder
        self.loaded: dict[str, ServedModel] = {}
        self.default_name = ""

    def get(self, name: str) -> ServedModel | None:
        """A model that is loaded, loading or failed."""
        return self.loaded.get(name or self.default_name)

    def name_for(self, needed: Capability) -> str:
        """The model that answers a request without a name; "" where there is none. For text it is the
        default, for anything else the first model of that kind, in the order in which they were loaded.
        """
        if needed is Capability.GENERATE:
            return self.default_name
        able = (name for name, model in self.loaded.items() if model.kind.capability is needed)
        return next(able, "")

    def sorted(self) -> list[ServedModel]:
        """All models that are loaded, loading or failed, sorted by name."""
        return [self.loaded[name] for name in sorted(self.loaded)]

    def find(self, name: str) -> ServedModel:
        """Raises NotFound with the known names, ModelError for a model whose kind has no worker."""
        model = self.get(name)
        if model is None:
            raise self._unknown(name)
        return model

    def _unknown(self, name: str) -> XappError:
        served = ", ".join(sorted(self.loaded))
        shown = name[:MAX_NAME_CHARS]
        if file := self._in_folder(name):
            kind = stated_kind(file, self._settings.of_model(name))
            if not kind.has_worker:
                return no_worker(shown, kind)
            text = f"{shown} is not loaded: load it with ModelService.LoadModel (loaded: {served})"
            return NotFound(text, reason="MODEL_NOT_LOADED", metadata={"models": served})
        near = did_you_mean(name, self.loaded)
        return NotFound(f"no model {shown!r}, served are: {served}{near}", metadata={"models": served})

    def status(self, name: str) -> ModelStatus:
        """The status of one model, loaded or on disk. Raises NotFound."""
        if model := self.get(name):
            return self.status_of(model)
        if file := self._in_folder(name):
            return available(file)
        raise self._unknown(name)

    def statuses(self) -> list[ModelStatus]:
        """All models, loaded or on disk, sorted by name."""
        known = {file.name: available(file) for file in self._tools.local_models(self._folder)}
        known |= {name: self.status_of(model) for name, model in self.loaded.items()}
        return [known[name] for name in sorted(known)]

    def status_of(self, model: ServedModel) -> ModelStatus:
        """The status of a model that is loaded, loading or failed."""
        return model.status(is_default=model.name == self.default_name)

    def _in_folder(self, name: str) -> ModelFile | None:
        return next((file for file in self._tools.local_models(self._folder) if file.name == name), None)


def available(file: ModelFile) -> ModelStatus:
    """The status of a file that is not loaded."""
    return ModelStatus(
        name=file.name,
        state=ModelState.AVAILABLE,
        size_bytes=file_size(file.path),
        license=file.entry.license if file.entry is not None else "",
    )
