"""One model of this node from its load to its end: worker, text codec, digest, admission."""

import asyncio
import logging
from pathlib import Path

import msgspec

from xapp import logs
from xapp.admission.admission import Admission
from xapp.admission.predict import Predictor
from xapp.admission.quota import Quotas
from xapp.config import Settings, WorkerSettings
from xapp.domain.messages import ModelInfo
from xapp.domain.states import ModelSample, ModelState, ModelStatus
from xapp.errors import Exhausted, FailedPrecondition, Unavailable, XappError
from xapp.models.parts import total_bytes
from xapp.models.store import ModelFile
from xapp.service.changes import Changes
from xapp.service.dependencies import ModelDependencies
from xapp.service.join import Joins
from xapp.service.kinds import require_text, stated_kind
from xapp.service.prompts import Codec, PromptReader
from xapp.service.served_file import ServedFile
from xapp.telemetry.observe import ModelProbe, Observer
from xapp.workers.child import UNLOADING
from xapp.workers.client import EngineClient
from xapp.workers.supervisor import RestartPolicy, Supervisor, WorkerState

MEMORY_RETRY_AFTER_S = 30.0
LOAD_RETRY_AFTER_S = 30.0
LOAD_SLACK_S = 5.0

_log = logging.getLogger(__name__)
_STATES = {
    WorkerState.LOADING: ModelState.LOADING,
    WorkerState.READY: ModelState.READY,
    WorkerState.FAILED: ModelState.FAILED,
    WorkerState.CLOSED: ModelState.AVAILABLE,
}


class Serving:
    """What there is once a model is loaded; it stays while the worker is started again."""

    def __init__(self, codec: Codec, digest: str, origin: str, info: ModelInfo, admission: Admission) -> None:
        self.codec = codec
        self.digest = digest
        self.origin = origin
        self.info = info
        self.admission = admission
        self.joins = Joins()
        self.prompts = PromptReader(codec, admission.capacity)

    @property
    def limit(self) -> int:
        """Tokens that a request's prompt and answer can have together."""
        return min(self.info.context_length, self.info.kv_cells_total)


class ServedModel:
    """`load` first, `aclose` last; `changes` tells of every change of `state` and `progress`."""

    def __init__(
        self,
        file: ModelFile,
        settings: Settings,
        tools: ModelDependencies,
        observer: Observer,
        quotas: Quotas,
    ) -> None:
        self.file = file
        self.name = file.name
        self._settings = settings
        self.own = settings.of_model(file.name)
        self.kind = stated_kind(file, self.own)
        self._tools = tools
        self._observer = observer
        self._quotas = quotas
        self._told: ModelState | None = None
        self._draining = False
        self._closed = False
        self.changes = Changes()
        self.progress = 0.0
        self.load_error: XappError | None = None
        self.serving: Serving | None = None
        self.warning = ""
        self.disk = ServedFile(file.path, tools.look)
        self.probe = ModelProbe(file.name, observer)
        self.supervisor = Supervisor(
            file.name,
            self._new_worker,
            _restart_policy(settings.workers),
            self._notify,
        )

    def _new_worker(self) -> EngineClient:
        """Raises ModelError where the file is not that of the worker before: its text has other tokens."""
        self.disk.check()
        return self._tools.new_client(self.file.path, self.own.engine, self.probe)

    @property
    def state(self) -> ModelState:
        """Where it is in its life."""
        if self._closed:
            return ModelState.AVAILABLE
        if self.load_error is not None:
            return ModelState.FAILED
        if self._draining:
            return ModelState.DRAINING
        return ModelState.LOADING if self.serving is None else _STATES[self.supervisor.state]

    def require_ready(self) -> Serving:
        """Raises Unavailable, or the error that loading ended with, unless it serves and generates text."""
        require_text(self.name, self.kind)
        if (error := self.load_error) is not None:
            reason = error.reason if error.code == FailedPrecondition.code else None
            raise FailedPrecondition(f"{self.name} could not be loaded: {error.message}", reason=reason)
        if self._draining:
            raise Unavailable(f"{self.name} is draining", reason="DRAINING", retry_after_s=1.0)
        if self.serving is None:
            raise Unavailable(f"{self.name} is being loaded", reason="MODEL_LOADING", retry_after_s=1.0)
        return self.serving

    async def load(self) -> None:
        """Raises nothing but CancelledError: a failed load is a state, and `load_error` says why."""
        if self._draining:
            return  # unloaded while it waited for its turn
        self._notify()
        self.disk.take()
        try:
            # The worker's own limit says more, so it comes first; this is for all else that reads the file.
            async with asyncio.timeout(self._settings.workers.load_timeout_s + LOAD_SLACK_S):
                await self._check_memory()
                self.serving = await self._load()
        except TimeoutError:
            limit_s = self._settings.workers.load_timeout_s
            text = f"loading {self.name} took longer than XAPP_LOAD_TIMEOUT_S, {limit_s:g} s"
            _log.error("%s", text)
            self.load_error = Unavailable(text, reason="LOAD_TIMEOUT", retry_after_s=LOAD_RETRY_AFTER_S)
        except XappError as error:
            _log.error("loading %s failed: %s", self.name, error.message)
            self.load_error = error
        except Exception as error:  # noqa: BLE001  a defect: without this the model would be loading for ever
            fields: dict[str, object] = {"model": self.name}
            logs.event(_log, "loading failed", fields, level=logging.ERROR, error=error)
            self.load_error = XappError(f"{self.name}: internal error while loading, see the server's log")
        finally:
            self._notify()

    async def _check_memory(self) -> None:
        need = await asyncio.to_thread(self._tools.memory_need, self.file.path, self.own)
        limit = self._tools.available_bytes()
        if self.own.engine.memory_limit_mb is not None:
            limit = min(limit, self.own.engine.memory_limit_mb * 1024 * 1024)
        if need.total_bytes > limit:
            raise Exhausted(
                f"{self.name} needs {_mb(need.total_bytes)} MB ({_mb(need.weights_bytes)} MB of weights,"
                f" {_mb(need.kv_bytes)} MB of KV cache, {_mb(need.parked_bytes)} MB for parked prefixes,"
                f" {_mb(need.text_bytes)} MB for the text process)"
                f" and {_mb(limit)} MB are available: unload another model, lower XAPP_CONTEXT_LENGTH,"
                " or choose a smaller one",
                reason="OUT_OF_MEMORY",
                retry_after_s=MEMORY_RETRY_AFTER_S,
            )

    async def _load(self) -> Serving:
        """Worker and text process load side by side; what the worker says of the file counts first."""

        def on_progress(fraction: float) -> None:
            self.progress = fraction
            self.changes.notify()

        file = asyncio.create_task(asyncio.to_thread(self._identify))
        codec = asyncio.ensure_future(self._tools.load_codec(self.file.path))
        try:
            info = await self.supervisor.start(on_progress)
            _log_sizing(self.name, info)
            admission = self._admission(info)
            return Serving(await codec, *self._unchanged(*await file), info, admission)
        except BaseException:
            await _abandon(codec)
            await self.supervisor.aclose()
            raise
        finally:
            await _cancel(file)

    def _identify(self) -> tuple[str, str]:
        """The file's digest, and that of what it was made of."""
        digest = self._tools.digest(self.file.path)
        if text := self._tools.difference(self.file, digest):
            fields: dict[str, object] = {"event": "digest_differs", "model": self.name, "digest": digest}
            logs.event(_log, text, fields, level=logging.WARNING)
        return digest, self._tools.origin(self.file.path)

    def _unchanged(self, digest: str, origin: str) -> tuple[str, str]:
        """Raises ModelError where what was read of the file may be of two files."""
        self.disk.check()
        return digest, origin

    def _admission(self, info: ModelInfo) -> Admission:
        supervisor, settings = self.supervisor, self._settings
        return Admission(
            self.name,
            info.num_slots + settings.admission.max_queue,
            Predictor(lambda: supervisor.info or info, lambda: supervisor.stats),
            self._quotas,
            by_deadline=settings.admission.by_deadline,
        )

    def warn(self, text: str) -> bool:
        """What is wrong although it serves, or ""; whether that is new."""
        is_new, self.warning = text != self.warning, text
        return is_new

    def begin_drain(self) -> None:
        """Takes no more requests."""
        if self._draining:
            return
        self._draining = True
        if self.serving is not None:
            self.serving.admission.drain()
        self._notify()

    async def wait_idle(self) -> None:
        """Returns when no request is open."""
        if self.serving is not None:
            await self.serving.admission.wait_idle()

    async def aclose(self, why: str = UNLOADING) -> None:
        """Ends the worker, its streams, which hear `why`, and frees the codec. Safe to call twice."""
        self.begin_drain()
        await self.supervisor.aclose(why)
        self.probe.flush()
        serving, self.serving = self.serving, None
        if serving is not None:
            await serving.prompts.aclose()
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        if self.state is not self._told:
            self._told = self.state
            _log.info("model %s is %s", self.name, self._told)
            self._observer.on_state(self.name, self._told)
        self.changes.notify()

    # ---- what the outside sees

    def status(self, *, is_default: bool) -> ModelStatus:
        """As it is now."""
        serving, entry = self.serving, self.file.entry
        error = self.load_error.message if self.load_error is not None else self.supervisor.error
        return ModelStatus(
            name=self.name,
            state=self.state,
            is_default=is_default,
            error=error if self.state is ModelState.FAILED else "",
            digest=serving.digest if serving else "",
            size_bytes=file_size(self.file.path),
            license=entry.license if entry is not None else "",
            info=(self.supervisor.info or serving.info) if serving else None,
            has_chat_template=serving.codec.has_chat_template if serving else False,
            num_restarts=self.supervisor.num_restarts,
            progress=1.0 if serving else self.progress,
            warning=self.warning,
        )

    def sample(self) -> ModelSample:
        """For Metrics."""
        codec = self.serving.codec if self.serving else None
        return ModelSample(
            name=self.name,
            stats=self.supervisor.stats,
            worker_pid=self.supervisor.pid,
            text_pid=codec.pid if codec else 0,
            num_text_restarts=codec.num_restarts if codec else 0,
            time_to_first_token=self.probe.time_to_first_token,
            inter_token_latency=self.probe.inter_token_latency,
        )


def file_size(path: Path) -> int:
    """Bytes of all its parts; 0 when it is gone."""
    try:
        return total_bytes(path)
    except OSError:
        return 0


def _log_sizing(name: str, info: ModelInfo) -> None:
    """How the engine was sized for this node, and what was measured to decide it."""
    fields: dict[str, object] = {
        "model": name,
        "context_length": info.context_length,
        "slots": info.num_slots,
        "kv_cells": info.kv_cells_total,
        "kv_type": info.kv_type,
        "threads": info.num_threads,
        "flash_attention": info.flash_attention,
    }
    if info.tuning is not None:
        fields["tuning"] = msgspec.to_builtins(info.tuning)
    logs.event(_log, "model sized", fields)


def _restart_policy(settings: WorkerSettings) -> RestartPolicy:
    return RestartPolicy(
        load_timeout_s=settings.load_timeout_s,
        max_delay_s=settings.restart_backoff_max_s,
        hang_after_s=settings.hang_timeout_s,
    )


async def _abandon(codec: "asyncio.Future[Codec]") -> None:
    """Ends one that may have been loaded already."""
    codec.cancel()
    await asyncio.wait([codec])
    if not codec.cancelled() and codec.exception() is None:
        await codec.result().aclose()


async def _cancel(task: "asyncio.Task[tuple[str, str]]") -> None:
    """Ends a task whose outcome no longer matters."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def _mb(num_bytes: int) -> int:
    return num_bytes // (1024 * 1024)
