"""The models of this node: loads them, finds them by name, unloads them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from xapp.admission.policing import PolicedQuotas, ServingPolicies
from xapp.admission.quota import Quotas, parse_quotas
from xapp.config import Settings
from xapp.domain.states import ModelState, ModelStatus
from xapp.errors import ConfigError, Exhausted, FailedPrecondition, NotFound, Unavailable, XappError
from xapp.models.store import ModelFile
from xapp.near import did_you_mean
from xapp.served.changes import Changes
from xapp.served.dependencies import ModelDependencies
from xapp.served.draft_file import check_draft
from xapp.served.file_watch import FileWatch
from xapp.served.kinds import check_loadable, no_worker, stated_kind
from xapp.served.model_tables import check_tables
from xapp.served.served_model import ServedModel, file_size

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
MAX_NAME_CHARS = 256
UNLOAD_RETRY_AFTER_S = 30.0
SHUTTING_DOWN = "the server is shutting down"
FILE_CHANGED = "the model's file has changed: it is loaded anew"


class ModelRegistry:
    """Models by name. `start` first, `aclose` last. `changes` reports every change of a model.

    Raises ConfigError for invalid quotas.
    """

    def __init__(self, settings: Settings, tools: ModelDependencies) -> None:
        self._settings = settings
        self._tools = tools
        self._quotas = Quotas(parse_quotas(settings.admission.quotas))
        self.policies = ServingPolicies()
        self._dir = Path(settings.node.models_dir).expanduser()
        self._models: dict[str, ServedModel] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._one_load = asyncio.Lock()
        self._draining = False
        self.default_name = ""
        self.changes = Changes()

    # ---- start and end

    def start(self) -> None:
        """Starts to load the configured models, the default first, one after the other.

        Raises ConfigError with the key when a model does not exist.
        """
        default = self._configured("XAPP_MODEL", self._settings.node.model)
        others = filter(None, map(str.strip, self._settings.node.models.split(",")))
        files = [default, *(self._configured("XAPP_MODELS", name) for name in others)]
        files = list({file.name: file for file in files}.values())
        if len(files) > self._settings.node.max_models:
            raise ConfigError("XAPP_MODELS", f"{len(files)} models, XAPP_MAX_MODELS allows fewer")
        self.default_name = default.name
        check_tables(self._settings.models, self._find_for_table, self.default_name)
        for file in files:
            check_draft(self._settings.of_model(file.name), file, self._tools.resolve, self._dir)
        models = [self._add(file) for file in files]
        self._spawn(self._load_in_turn(models))
        watch = FileWatch(lambda: self.models, self._tools.rehash, self._renew)
        self._spawn(watch.run(self.changes))

    def _configured(self, key: str, name: str) -> ModelFile:
        try:
            file = self._tools.resolve(name, self._dir)
            check_loadable(file, self._settings.of_model(file.name))
        except XappError as error:
            raise ConfigError(key, error.message) from error
        return file

    def _find_for_table(self, name: str) -> str:
        return self._tools.resolve(name, self._dir).name

    async def _load_in_turn(self, models: list[ServedModel]) -> None:
        for model in models:
            await asyncio.wait([self._begin_load(model)])

    async def wait_default(self) -> None:
        """Returns when the default model serves. Raises the error of its load."""
        model = self._models[self.default_name]
        while True:
            change = model.changes.next()
            if model.load_error is not None:
                raise model.load_error
            if model.state is ModelState.READY:
                return
            if self._draining:
                raise _draining()
            await model.changes.wait(change)

    def begin_drain(self) -> None:
        """Refuses new requests and new loads from now on."""
        self._draining = True
        for model in self._models.values():
            model.begin_drain()

    async def wait_idle(self) -> None:
        """Returns when no request is open."""
        for model in list(self._models.values()):
            await model.wait_idle()

    async def aclose(self) -> None:
        """Ends every worker. Safe to call twice."""
        self.begin_drain()
        tasks = {*self._tasks, *self._loads.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(*(model.aclose(SHUTTING_DOWN) for model in self._models.values()))

    # ---- lookup

    @property
    def default(self) -> ServedModel | None:
        """The default model, whose name is also ""; None before `start`."""
        return self._models.get(self.default_name)

    @property
    def models(self) -> list[ServedModel]:
        """All models that are loaded, loading or failed, sorted by name."""
        return sorted(self._models.values(), key=lambda model: model.name)

    def find(self, name: str) -> ServedModel:
        """Raises NotFound with the known names, ModelError for a model whose kind has no worker."""
        model = self._models.get(name or self.default_name)
        if model is None:
            raise self._unknown(name)
        return model

    def _unknown(self, name: str) -> XappError:
        served = ", ".join(model.name for model in self.models)
        shown = name[:MAX_NAME_CHARS]
        if file := self._in_folder(name):
            kind = stated_kind(file, self._settings.of_model(name))
            if not kind.has_worker:
                return no_worker(shown, kind)
            text = f"{shown} is not loaded: load it with ModelService.LoadModel (loaded: {served})"
            return NotFound(text, reason="MODEL_NOT_LOADED", metadata={"models": served})
        near = did_you_mean(name, (model.name for model in self.models))
        return NotFound(f"no model {shown!r}, served are: {served}{near}", metadata={"models": served})

    def status(self, name: str) -> ModelStatus:
        """The status of one model, loaded or on disk. Raises NotFound."""
        if model := self._models.get(name or self.default_name):
            return self._status_of(model)
        if file := self._in_folder(name):
            return _available(file)
        raise self._unknown(name)

    def _in_folder(self, name: str) -> ModelFile | None:
        return next((file for file in self._tools.local_models(self._dir) if file.name == name), None)

    def statuses(self) -> list[ModelStatus]:
        """All models, loaded or on disk, sorted by name."""
        known = {file.name: _available(file) for file in self._tools.local_models(self._dir)}
        known |= {name: self._status_of(model) for name, model in self._models.items()}
        return [known[name] for name in sorted(known)]

    def _status_of(self, model: ServedModel) -> ModelStatus:
        return model.status(is_default=model.name == self.default_name)

    # ---- loading

    async def load(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Loads by a catalogue name or a file name in the models folder; never by a path.

        Yields a status at each progress, READY last. Concurrent callers share one load, which goes on when
        a caller leaves. Raises NotFound, ModelError, Exhausted, Unavailable.
        """
        model = self._models.get(name or self.default_name) or await self._find_file(name)
        if model.load_error is not None:
            model = self._replace(model)
        while True:
            change = model.changes.next()
            if model.load_error is not None:
                raise model.load_error
            if model.state in {ModelState.DRAINING, ModelState.AVAILABLE}:
                raise Unavailable(f"{model.name} is being unloaded", reason="DRAINING", retry_after_s=1.0)
            status = self._status_of(model)
            yield status
            # The model may have become ready while the caller handled the last status.
            if status.state is ModelState.READY:
                return
            await model.changes.wait(change)

    async def _find_file(self, name: str) -> ServedModel:
        file = await self._tools.resolve_outside(name, self._dir)
        check_loadable(file, self._settings.of_model(file.name))
        if model := self._models.get(file.name):
            return model
        return self._add_and_load(file)

    def _replace(self, failed: ServedModel) -> ServedModel:
        """Replaces a failed model by a new attempt."""
        del self._models[failed.name]
        return self._add_and_load(failed.file)

    async def _renew(self, model: ServedModel) -> None:
        """Loads the present file as a new model of the same name: vocabulary, digest, admission."""
        await model.aclose(FILE_CHANGED)
        if self._models.get(model.name) is model and not self._draining:
            self._begin_load(self._add(model.file))
            self.changes.notify()

    def _add_and_load(self, file: ModelFile) -> ServedModel:
        if self._draining:
            raise _draining()
        num_alive = sum(model.load_error is None for model in self._models.values())
        if num_alive >= self._settings.node.max_models:
            raise Exhausted(
                f"{num_alive} models are loaded, as many as XAPP_MAX_MODELS allows: unload one first",
                reason="TOO_MANY_MODELS",
                retry_after_s=UNLOAD_RETRY_AFTER_S,
            )
        model = self._add(file)
        self._begin_load(model)
        return model

    def _add(self, file: ModelFile) -> ServedModel:
        quotas = PolicedQuotas(self._quotas, self.policies, file.name)
        model = ServedModel(file, self._settings, self._tools, quotas)
        model.changes.subscribe(self.changes.notify)
        self._models[file.name] = model
        return model

    def _begin_load(self, model: ServedModel) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._load_alone(model), name=f"load {model.name}")
        self._loads[model.name] = task
        task.add_done_callback(lambda _: self._loads.pop(model.name, None))
        return task

    async def _load_alone(self, model: ServedModel) -> None:
        # One load at a time: each sees the memory that the load before left. Two at once could both pass
        # the check where there is room for one.
        async with self._one_load:
            await model.load()

    # ---- unloading

    async def unload(self, name: str) -> ModelStatus:
        """Lets open requests finish within the grace period, then ends the worker.

        Goes on when the caller leaves. Raises NotFound, FailedPrecondition for the default model,
        Unavailable when the model is already being unloaded.
        """
        model = self.find(name)
        if model.name == self.default_name:
            text = f"{model.name} is the default model (XAPP_MODEL) and stays loaded"
            raise FailedPrecondition(text, reason="DEFAULT_MODEL")
        if model.state is ModelState.DRAINING:
            raise Unavailable(f"{model.name} is being unloaded", reason="DRAINING", retry_after_s=1.0)
        model.begin_drain()
        await asyncio.shield(self._spawn(self._unload(model)))
        return _available(model.file)

    async def _unload(self, model: ServedModel) -> None:
        try:
            async with asyncio.timeout(self._settings.server.grace_period_s):
                await model.wait_idle()
        except TimeoutError:
            _log.warning("unloading %s ends streams that are still open", model.name)
        if task := self._loads.get(model.name):
            task.cancel()
            await asyncio.wait([task])
        await model.aclose()
        self._models.pop(model.name, None)
        self.changes.notify()

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _available(file: ModelFile) -> ModelStatus:
    return ModelStatus(
        name=file.name,
        state=ModelState.AVAILABLE,
        size_bytes=file_size(file.path),
        license=file.entry.license if file.entry is not None else "",
    )


def _draining() -> Unavailable:
    return Unavailable("the service is draining", reason="DRAINING", retry_after_s=1.0)
