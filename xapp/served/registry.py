"""The models of this node: loads them, finds them by name, unloads them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from xapp.admission.policing import PolicedQuotas, ServingPolicies
from xapp.admission.quota import Quotas, parse_quotas
from xapp.config import Settings
from xapp.domain.kinds import Capability
from xapp.domain.states import ModelState, ModelStatus
from xapp.errors import Exhausted, FailedPrecondition, Unavailable
from xapp.models.store import ModelFile
from xapp.served.changes import Changes
from xapp.served.configured_models import configured_models
from xapp.served.dependencies import ModelDependencies
from xapp.served.file_watch import FileWatch
from xapp.served.kinds import check_loadable
from xapp.served.known_models import KnownModels, available
from xapp.served.loads import Loads
from xapp.served.model_power import ModelPower
from xapp.served.served_model import ServedModel

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
UNLOAD_RETRY_AFTER_S = 30.0
SHUTTING_DOWN = "the server is shutting down"
FILE_CHANGED = "the model's file has changed: it is loaded anew"


class ModelRegistry:
    """Models by name. `start` first, `aclose` last. `changes` reports every change of a model.

    Raises ConfigError for invalid quotas.
    """

    def __init__(self, settings: Settings, tools: ModelDependencies, power: ModelPower) -> None:
        self._settings = settings
        self._tools = tools
        self._power = power
        self._quotas = Quotas(parse_quotas(settings.admission.quotas))
        self.policies = ServingPolicies()
        self._dir = Path(settings.node.models_dir).expanduser()
        self._known = KnownModels(settings, tools, self._dir)
        self._models = self._known.loaded
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loads = Loads()
        self._draining = False
        self.changes = Changes()

    # ---- start and end

    def start(self) -> None:
        """Starts to load the configured models, the default first, one after the other.

        Raises ConfigError with the key.
        """
        files = configured_models(self._settings, self._tools, self._dir)
        self._known.default_name = files[0].name
        models = [self._add(file) for file in files]
        self._spawn(self._load_in_turn(models))
        watch = FileWatch(lambda: self.models, self._tools.rehash, self._renew)
        self._spawn(watch.run(self.changes))

    async def _load_in_turn(self, models: list[ServedModel]) -> None:
        for model in models:
            await asyncio.wait([self._loads.begin(model)])

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
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._loads.cancel_all()
        await asyncio.gather(*(model.aclose(SHUTTING_DOWN) for model in self._models.values()))

    # ---- lookup

    @property
    def default_name(self) -> str:
        """The name of the default model; "" before `start`."""
        return self._known.default_name

    @property
    def default(self) -> ServedModel | None:
        """The default model, whose name is also ""; None before `start`."""
        return self._known.get("")

    @property
    def models(self) -> list[ServedModel]:
        """All models that are loaded, loading or failed, sorted by name."""
        return self._known.sorted()

    def find(self, name: str) -> ServedModel:
        """Raises NotFound with the known names, ModelError for a model whose kind has no worker."""
        return self._known.find(name)

    def name_for(self, needed: Capability) -> str:
        """The model that answers a request without a name; "" where there is none."""
        return self._known.name_for(needed)

    def status(self, name: str) -> ModelStatus:
        """The status of one model, loaded or on disk. Raises NotFound."""
        return self._known.status(name)

    def statuses(self) -> list[ModelStatus]:
        """All models, loaded or on disk, sorted by name."""
        return self._known.statuses()

    # ---- loading

    async def load(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Loads by a catalogue name or a file name in the models folder; never by a path.

        Yields a status at each progress, READY last. Concurrent callers share one load, which goes on when
        a caller leaves. Raises NotFound, ModelError, Exhausted, Unavailable.
        """
        model = self._known.get(name) or await self._find_file(name)
        if model.load_error is not None:
            model = self._replace(model)
        while True:
            change = model.changes.next()
            if model.load_error is not None:
                raise model.load_error
            if model.state in {ModelState.DRAINING, ModelState.AVAILABLE}:
                raise Unavailable(f"{model.name} is being unloaded", reason="DRAINING", retry_after_s=1.0)
            status = self._known.status_of(model)
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
            self._loads.begin(self._add(model.file))
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
        self._loads.begin(model)
        return model

    def _add(self, file: ModelFile) -> ServedModel:
        quotas = PolicedQuotas(self._quotas, self.policies, file.name)
        model = ServedModel(file, self._settings, self._tools, quotas, self._power)
        model.changes.subscribe(self.changes.notify)
        self._models[file.name] = model
        return model

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
        return available(model.file)

    async def _unload(self, model: ServedModel) -> None:
        try:
            async with asyncio.timeout(self._settings.server.grace_period_s):
                await model.wait_idle()
        except TimeoutError:
            _log.warning("unloading %s ends streams that are still open", model.name)
        await self._loads.cancel(model.name)
        await model.aclose()
        self._models.pop(model.name, None)
        self.changes.notify()

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _draining() -> Unavailable:
    return Unavailable("the service is draining", reason="DRAINING", retry_after_s=1.0)
