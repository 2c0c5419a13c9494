"""Loads a model: checks memory, starts worker and text process, computes the digest, makes admission."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from xapp import logs
from xapp.admission.admission import Admission
from xapp.admission.policing import PolicedQuotas
from xapp.admission.predict import Predictor
from xapp.backend.rpc.plan import Hosts, host_room, own_bytes
from xapp.config import AdmissionSettings, ModelSettings
from xapp.domain.kinds import ModelKind
from xapp.domain.model_info import ModelInfo
from xapp.errors import Exhausted
from xapp.models.store import ModelFile
from xapp.served.dependencies import ModelDependencies
from xapp.served.kinds import kind_of
from xapp.served.model_power import ModelPower
from xapp.served.served_file import ServedFile
from xapp.served.serving import Serving
from xapp.text.prompts import Codec
from xapp.workers.supervisor import Supervisor

MEMORY_RETRY_AFTER_S = 30.0

_log = logging.getLogger(__name__)


class Loader:
    """Loads one model with the settings `own`. It is used once."""

    def __init__(
        self,
        file: ModelFile,
        settings: AdmissionSettings,
        own: ModelSettings,
        tools: ModelDependencies,
        quotas: PolicedQuotas,
        *,
        power: ModelPower,
    ) -> None:
        self._file = file
        self._name = file.name
        self._settings = settings
        self._own = own
        self._tools = tools
        self._quotas = quotas
        self._power = power

    async def check_memory(self) -> ModelKind:
        """The kind of the model.

        Raises Exhausted where the model does not fit, ModelError for an unusable file or helper.
        """
        need = await asyncio.to_thread(self._tools.memory_need, self._file.path, self._own)
        hosts = await asyncio.to_thread(self._tools.ask_helpers, self._own.engine)
        own = own_bytes(self._own.engine, self._tools.available_bytes())
        if need.total_bytes > own + hosts.room_bytes:
            raise Exhausted(
                f"{self._name} needs {_mb(need.total_bytes)} MB ({_mb(need.weights_bytes)} MB of weights,"
                f" {_mb(need.kv_bytes)} MB of KV cache, {_mb(need.parked_bytes)} MB for parked prefixes,"
                f" {_mb(need.text_bytes)} MB for the text process, {_mb(need.work_bytes)} MB for work)"
                f" and {_available(own, hosts)}: unload another model, lower XAPP_CONTEXT_LENGTH,"
                " or choose a smaller one",
                reason="OUT_OF_MEMORY",
                retry_after_s=MEMORY_RETRY_AFTER_S,
            )
        return kind_of(self._file, self._own, need.kind)

    async def load(
        self, supervisor: Supervisor, disk: ServedFile, on_progress: Callable[[float], None]
    ) -> Serving:
        """Loads worker and text process in parallel. An error of the worker takes precedence.

        `disk` is the file as it was before. Raises XappError, and the worker has ended then.
        """
        file = asyncio.create_task(asyncio.to_thread(self._identify))
        codec = asyncio.ensure_future(self._tools.load_codec(self._file.path))
        try:
            info = await supervisor.start(on_progress)
            _log_sizing(self._name, info)
            admission = self._admission(supervisor, info)
            return Serving(await codec, *_unchanged(disk, *await file), info, admission)
        except BaseException:
            await _abandon(codec)
            await supervisor.aclose()
            raise
        finally:
            await _cancel(file)

    def _identify(self) -> tuple[str, str]:
        """The digests of the file and of its origin."""
        digest = self._tools.digest(self._file.path)
        if text := self._tools.difference(self._file, digest):
            fields: dict[str, object] = {"event": "digest_differs", "model": self._name, "digest": digest}
            logs.event(_log, text, fields, level=logging.WARNING)
        return digest, self._tools.origin(self._file.path)

    def _admission(self, supervisor: Supervisor, info: ModelInfo) -> Admission:
        settings = self._settings
        return Admission(
            self._name,
            info.num_slots + settings.max_queue,
            Predictor(
                lambda: supervisor.info or info,
                lambda: supervisor.stats,
                outlook=lambda: self._power.node.outlook,
                by_prompt=settings.lengths == "auto",
            ),
            self._quotas,
            by_deadline=settings.by_deadline,
            order=settings.order,
            check_power=self._power.check,
        )


def _available(own: int, hosts: Hosts) -> str:
    """The memory of this node, of each helper that answers, and why the others do not."""
    rooms = [f"{_mb(host_room(state))} MB at {state.host}" for state in hosts.states]
    return "; ".join((", ".join((f"{_mb(own)} MB are available", *rooms)), *hosts.missing))


def _unchanged(disk: ServedFile, digest: str, origin: str) -> tuple[str, str]:
    """Raises ModelError where the file changed while it was read."""
    disk.check()
    return digest, origin


def _log_sizing(name: str, info: ModelInfo) -> None:
    """Logs how the engine was sized for this node, and the measurements behind that."""
    fields: dict[str, object] = {
        "model": name,
        "context_length": info.context_length,
        "slots": info.num_slots,
        "kv_cells": info.kv_cells_total,
        "kv_type": info.kv_type,
        "threads": info.num_threads,
        "flash_attention": info.flash_attention,
    }
    if info.shards:
        fields["shards"] = msgspec.to_builtins(info.shards)
    if info.tuning is not None:
        fields["tuning"] = msgspec.to_builtins(info.tuning)
    logs.event(_log, "model sized", fields)


async def _abandon(codec: "asyncio.Future[Codec]") -> None:
    """Ends a codec that may have been loaded already."""
    codec.cancel()
    await asyncio.wait([codec])
    if not codec.cancelled() and codec.exception() is None:
        await codec.result().aclose()


async def _cancel(task: "asyncio.Task[tuple[str, str]]") -> None:
    """Ends a task whose result is no longer needed."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def _mb(num_bytes: int) -> int:
    return num_bytes // (1024 * 1024)
