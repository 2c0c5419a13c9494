"""The registry's dependencies: file system, memory, workers, text processes. Tests replace them."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.node import this_node
from xapp.backend.rpc.plan import Hosts, ask_hosts
from xapp.backend.rpc.probe import probe
from xapp.config import EngineSettings, ModelSettings, Settings
from xapp.domain.kinds import GENERATE, ModelKind
from xapp.domain.prefix import PARKED_SHARE
from xapp.models.catalogue import KvType
from xapp.models.info import GgufInfo, known_gguf
from xapp.models.mark import Mark, mark_of
from xapp.models.parts import check_parts, model_digest, model_rehash, total_bytes
from xapp.models.store import ModelFile, local_models, resolve
from xapp.models.vector_memory import STEP_TOKENS, step_bytes
from xapp.models.verify import difference
from xapp.served.kinds import require_worker
from xapp.telemetry.latency import ModelLatencies
from xapp.text.codec import TextCodec
from xapp.text.limits import resident_bytes
from xapp.text.local import LocalText
from xapp.text.model_text import ModelText
from xapp.text.prompts import Codec
from xapp.workers.client import EngineClient
from xapp.workers.niceness import of_workers

MIN_CONTEXT_TOKENS = 512
"""Smallest number of tokens of KV cache for a model without a configured size."""


@dataclass(frozen=True, slots=True)
class Need:
    """Memory that a model needs: weights, KV cache for at least the requested tokens, parked prefixes at
    their limit, the text process, and a step of a model that makes vectors. `kind` is what the file says.
    """

    weights_bytes: int
    kv_bytes: int
    parked_bytes: int = 0
    text_bytes: int = 0
    work_bytes: int = 0
    kind: ModelKind = GENERATE

    @property
    def total_bytes(self) -> int:
        """Sum of all parts."""
        kept = self.weights_bytes + self.kv_bytes + self.parked_bytes
        return kept + self.text_bytes + self.work_bytes


def memory_need(path: Path, own: ModelSettings) -> Need:
    """From the file's header, whose structure is checked. Raises ModelError naming a file, or a part."""
    check_parts(path)
    info = known_gguf(path)
    kind = own.stated_kind or info.kind
    require_worker(str(path), kind)
    if not kind.generates:
        return need_of_vectors(path, info, kind, own.engine)
    settings = own.engine
    tokens = settings.kv_cells or settings.context_length or MIN_CONTEXT_TOKENS
    kv_type = KvType.Q8_0 if settings.kv_type == "q8_0" else KvType.F16
    per_token = info.geometry.bytes_per_token(kv_type) if info.geometry else 0
    kv_bytes = tokens * per_token
    parked_bytes = int(kv_bytes * PARKED_SHARE) if settings.prefix_cache else 0
    need = Need(total_bytes(path), kv_bytes, parked_bytes, resident_bytes(info.metadata_bytes))
    return _with_draft(need, Path(settings.draft), tokens, kv_type) if settings.draft else need


def need_of_vectors(path: Path, info: GgufInfo, kind: ModelKind, settings: EngineSettings) -> Need:
    """Only a causal model has a KV cache, for the tokens of a step."""
    tokens = max(settings.batch_tokens, settings.context_length or STEP_TOKENS)
    work_bytes = step_bytes(info.n_head_kv, info.dimensions, tokens)
    per_token = info.geometry.bytes_per_token(KvType.F16) if info.geometry and info.causal else 0
    text_bytes = resident_bytes(info.metadata_bytes)
    return Need(total_bytes(path), tokens * per_token, 0, text_bytes, work_bytes, kind)


def _with_draft(need: Need, draft: Path, tokens: int, kv_type: KvType) -> Need:
    """A draft model has a cell for each cell of the model."""
    check_parts(draft)
    info = known_gguf(draft)
    per_token = info.geometry.bytes_per_token(kv_type) if info.geometry else 0
    return replace(
        need,
        weights_bytes=need.weights_bytes + total_bytes(draft),
        kv_bytes=need.kv_bytes + tokens * per_token,
    )


def origin(path: Path) -> str:
    """The digest of the file that this file was derived from; "" for a file that was not made here."""
    return known_gguf(path).origin


def available_bytes() -> int:
    """Memory that this node or container can provide without swapping."""
    return this_node().memory_bytes


def ask_helpers(settings: EngineSettings) -> Hosts:
    """Asks the helpers of the settings for their memory. Raises ModelError, ConfigError."""
    return ask_hosts(settings, probe)


async def load_codec(path: Path) -> Codec:
    """Starts the text process and loads the vocabulary into it."""
    return await ModelText.load(str(path))


def new_client(
    path: Path, settings: EngineSettings, latencies: ModelLatencies, kind: ModelKind, *, niceness: int = 0
) -> EngineClient:
    """A worker that has not been started."""
    return EngineClient(str(path), settings, kind=kind, latencies=latencies, niceness=niceness)


@dataclass(frozen=True, slots=True)
class ModelDependencies:
    """Functions. All that block (not `look`) are called in a thread. Tests replace some of them."""

    resolve: Callable[..., ModelFile] = resolve
    local_models: Callable[[Path], Sequence[ModelFile]] = local_models
    digest: Callable[[Path], str] = model_digest
    rehash: Callable[[Path], str] = model_rehash
    look: Callable[[Path], Mark] = mark_of
    origin: Callable[[Path], str] = origin
    difference: Callable[[ModelFile, str], str] = difference
    memory_need: Callable[[Path, ModelSettings], Need] = memory_need
    available_bytes: Callable[[], int] = available_bytes
    ask_helpers: Callable[[EngineSettings], Hosts] = ask_helpers
    load_codec: Callable[[Path], Awaitable[Codec]] = load_codec
    new_client: Callable[[Path, EngineSettings, ModelLatencies, ModelKind], EngineClient] = new_client

    async def resolve_outside(self, name: str, models_dir: Path) -> ModelFile:
        """Finds the model of a name from the network, which is never a path. Raises NotFound, ModelError."""
        return await asyncio.to_thread(self.resolve, name, models_dir, allow_path=False)


def fake_dependencies() -> ModelDependencies:
    """For XAPP_BACKEND=fake: any name is a model whose tokens are bytes. No file is opened."""

    def resolve_any(name: str, _: Path, *, allow_path: bool = True) -> ModelFile:
        return ModelFile(Path(name).name, Path(name))

    async def byte_codec(_: Path) -> Codec:
        return LocalText(TextCodec(ByteVocab()))

    return ModelDependencies(
        resolve=resolve_any,
        local_models=lambda _: [],
        digest=lambda path: f"sha256:{hashlib.sha256(str(path).encode()).hexdigest()}",
        look=lambda _: (),
        origin=lambda _: "",
        difference=lambda *_: "",
        memory_need=lambda _, own: Need(0, 0, kind=own.stated_kind or GENERATE),
        ask_helpers=lambda _: Hosts(()),
        load_codec=byte_codec,
    )


def dependencies_for(settings: Settings) -> ModelDependencies:
    """The dependencies for the backend in the settings. On a node with speech, workers give way to it."""
    tools = fake_dependencies() if settings.engine.backend == "fake" else ModelDependencies()
    niceness = of_workers(speech=settings.speech.on)
    return replace(tools, new_client=partial(new_client, niceness=niceness))
