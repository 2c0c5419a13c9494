"""One model of this node, from load to end: worker, text codec, digest, admission."""

import asyncio
import logging
from pathlib import Path

from xapp import logs
from xapp.admission.policing import PolicedQuotas
from xapp.config import Settings, WorkerSettings
from xapp.domain.kinds import Capability
from xapp.domain.states import ModelSample, ModelState, ModelStatus
from xapp.errors import FailedPrecondition, Unavailable, XappError
from xapp.models.parts import total_bytes
from xapp.models.store import ModelFile
from xapp.served.changes import Changes
from xapp.served.dependencies import ModelDependencies
from xapp.served.draft_file import with_draft_file
from xapp.served.kinds import require_capability, stated_kind
from xapp.served.loader import Loader
from xapp.served.model_power import ModelPower
from xapp.served.served_file import ServedFile
from xapp.served.serving import Serving
from xapp.telemetry.latency import ModelLatencies
from xapp.workers.client import EngineClient
from xapp.workers.process_client import UNLOADING
from xapp.workers.supervisor import RestartPolicy, Supervisor, WorkerState

LOAD_RETRY_AFTER_S = 30.0
LOAD_SLACK_S = 5.0

_log = logging.getLogger(__name__)
_STATES = {
    WorkerState.LOADING: ModelState.LOADING,
    WorkerState.READY: ModelState.READY,
    WorkerState.FAILED: ModelState.FAILED,
    WorkerState.CLOSED: ModelState.AVAILABLE,
}


class ServedModel:
    """`load` first, `aclose` last. `changes` reports every change of `state` and `progress`."""

    def __init__(
        self,
        file: ModelFile,
        settings: Settings,
        tools: ModelDependencies,
        quotas: PolicedQuotas,
        power: ModelPower,
    ) -> None:
        self.file = file
        self.name = file.name
        self._settings = settings
        models_dir = Path(settings.node.models_dir).expanduser()
        self.own = with_draft_file(settings.of_model(file.name), file, tools.resolve, models_dir)
        self.kind = stated_kind(file, self.own)
        self._tools = tools
        self._loader = Loader(file, settings.admission, self.own, tools, quotas, power=power)
        self.power = power.node
        self._told: ModelState | None = None
        self._draining = False
        self._closed = False
        self.changes = Changes()
        self.progress = 0.0
        self.load_error: XappError | None = None
        self.serving: Serving | None = None
        self.warning = ""
        self.disk = ServedFile(file.path, tools.look)
        self.latencies = ModelLatencies()
        self.supervisor = Supervisor(
            file.name,
            self._new_worker,
            _restart_policy(settings.workers),
            self._notify,
        )

    def _new_worker(self) -> EngineClient:
        """Raises ModelError where the file has changed since the last worker: its vocabulary may differ."""
        self.disk.check()
        return self._tools.new_client(self.file.path, self.own.engine, self.latencies, self.kind)

    @property
    def state(self) -> ModelState:
        """The state of the model."""
        if self._closed:
            return ModelState.AVAILABLE
        if self.load_error is not None:
            return ModelState.FAILED
        if self._draining:
            return ModelState.DRAINING
        return ModelState.LOADING if self.serving is None else _STATES[self.supervisor.state]

    def require_ready(self, needed: Capability = Capability.GENERATE) -> Serving:
        """Raises Unavailable, or the error of the load, unless the model serves; ModelError for a model of
        another kind than `needed`.
        """
        if (error := self.load_error) is not None:
            reason = error.reason if error.code == FailedPrecondition.code else None
            raise FailedPrecondition(f"{self.name} could not be loaded: {error.message}", reason=reason)
        if self._draining:
            raise Unavailable(f"{self.name} is draining", reason="DRAINING", retry_after_s=1.0)
        if self.serving is None:
            raise Unavailable(f"{self.name} is being loaded", reason="MODEL_LOADING", retry_after_s=1.0)
        require_capability(self.name, self.kind, needed)  # known for certain once the file was read
        return self.serving

    async def load(self) -> None:
        """Raises only CancelledError: a failed load is a state, and `load_error` is its error."""
        if self._draining:
            return  # unloaded before its load began
        self._notify()
        self.disk.take()
        try:
            # The worker's own limit gives the better message, so it is first. This limit covers all other
            # reading.
            async with asyncio.timeout(self._settings.workers.load_timeout_s + LOAD_SLACK_S):
                self.kind = await self._loader.check_memory()
                self.serving = await self._loader.load(self.supervisor, self.disk, self._on_progress)
                self.power.watch(self.name, lambda: self.supervisor.stats)
        except TimeoutError:
            limit_s = self._settings.workers.load_timeout_s
            text = f"loading {self.name} took longer than XAPP_LOAD_TIMEOUT_S, {limit_s:g} s"
            _log.error("%s", text)
            self.load_error = Unavailable(text, reason="LOAD_TIMEOUT", retry_after_s=LOAD_RETRY_AFTER_S)
        except XappError as error:
            _log.error("loading %s failed: %s", self.name, error.message)
            self.load_error = error
        except Exception as error:  # noqa: BLE001  a defect: otherwise it would stay LOADING
            fields: dict[str, object] = {"model": self.name}
            logs.event(_log, "loading failed", fields, level=logging.ERROR, error=error)
            self.load_error = XappError(f"{self.name}: internal error while loading, see the server's log")
        finally:
            self._notify()

    def _on_progress(self, fraction: float) -> None:
        self.progress = fraction
        self.changes.notify()

    def warn(self, text: str) -> bool:
        """Sets the warning about a serving model, "" for none. Returns whether it is new."""
        is_new, self.warning = text != self.warning, text
        return is_new

    def begin_drain(self) -> None:
        """Refuses new requests."""
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
        """Ends the worker and its streams, which fail with `why`, and frees the codec. Safe to call twice."""
        self.begin_drain()
        await self.supervisor.aclose(why)
        serving, self.serving = self.serving, None
        self.power.forget(self.name)
        if serving is not None:
            await serving.prompts.aclose()
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        if self.state is not self._told:
            self._told = self.state
            _log.info("model %s is %s", self.name, self._told)
        self.changes.notify()

    # ---- views

    def status(self, *, is_default: bool) -> ModelStatus:
        """The present status."""
        serving, entry = self.serving, self.file.entry
        info = (self.supervisor.info or serving.info) if serving else None
        error = self.load_error.message if self.load_error is not None else self.supervisor.error
        return ModelStatus(
            name=self.name,
            state=self.state,
            is_default=is_default,
            error=error if self.state is ModelState.FAILED else "",
            digest=serving.digest if serving else "",
            size_bytes=file_size(self.file.path),
            license=entry.license if entry is not None else "",
            info=info,
            has_chat_template=serving.codec.has_chat_template if serving else False,
            num_restarts=self.supervisor.num_restarts,
            progress=1.0 if serving else self.progress,
            warning="; ".join(filter(None, (self.warning, *(info.missing_hosts if info else ())))),
            vocabulary=self.serving.codec.vocabulary if self.serving else "",
        )

    def sample(self) -> ModelSample:
        """The state for Metrics."""
        codec = self.serving.codec if self.serving else None
        admission = self.serving.admission if self.serving else None
        return ModelSample(
            name=self.name,
            stats=self.supervisor.stats,
            worker_pid=self.supervisor.pid,
            text_pid=codec.pid if codec else 0,
            num_text_restarts=codec.num_restarts if codec else 0,
            time_to_first_token=self.latencies.time_to_first_token,
            inter_token_latency=self.latencies.inter_token_latency,
            time_to_first_token_histogram=self.latencies.time_to_first_token_histogram,
            inter_token_latency_histogram=self.latencies.inter_token_latency_histogram,
            num_slots=self.serving.info.num_slots if self.serving else 0,
            wait_s=admission.recent_wait_s() if admission else 0.0,
            budget_s=admission.budget_s if admission else float("inf"),
            energy=self.power.total_of(self.name),
            slowdown=admission.predictor.heat.slowdown if admission else 1.0,
            prediction_s=admission.predictor.lengths.cost_s if admission else 0.0,
        )


def file_size(path: Path) -> int:
    """Bytes of all parts of the file; 0 when it is gone."""
    try:
        return total_bytes(path)
    except OSError:
        return 0


def _restart_policy(settings: WorkerSettings) -> RestartPolicy:
    return RestartPolicy(
        load_timeout_s=settings.load_timeout_s,
        max_delay_s=settings.restart_backoff_max_s,
        hang_after_s=settings.hang_timeout_s,
    )
