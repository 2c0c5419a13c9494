"""The memory and the threads of a model, from the header of its file or from the catalogue."""

from dataclasses import dataclass, replace
from pathlib import Path

from xapp.backend.sizing import (
    RESERVE_BYTES,
    Geometry,
    Node,
    Sizing,
    kv_bytes_per_cell,
    size,
)
from xapp.config import EngineSettings, ModelSettings
from xapp.domain.kinds import ModelKind
from xapp.domain.prefix import PARKED_SHARE
from xapp.errors import ConfigError
from xapp.models.catalogue import Entry, KvType
from xapp.models.info import GgufInfo, known_gguf
from xapp.models.parts import check_parts, total_bytes
from xapp.models.store import ModelFile
from xapp.models.vector_memory import STEP_TOKENS, compute_threads, step_bytes
from xapp.node_plan.planned import CpuPlace, PlannedService
from xapp.served.dependencies import MIN_CONTEXT_TOKENS
from xapp.served.kinds import kind_of
from xapp.text.limits import resident_bytes

WORKER_BYTES = 50_000_000
"""A worker without its model: Python and llama.cpp. Measured: 45 MB on x86-64."""
LARGE_METADATA_BYTES = 6_500_000
"""Of a file that is known by its catalogue entry only: as many as a vocabulary of 262,144 tokens has."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`kv_bytes_per_token` is in f16; 0 for a model without a KV cache. `metadata_bytes` are those of the
    file, mostly its vocabulary. `heads` and `width` are of a layer; None: not known.
    """

    kind: ModelKind
    weights_bytes: int
    kv_bytes_per_token: int
    metadata_bytes: int
    trained_context: int
    heads: int | None = None
    width: int | None = None


def facts_of_file(file: ModelFile, own: ModelSettings) -> ModelFacts:
    """Reads the header. A draft model counts as part of the model. Raises ModelError with a file."""
    check_parts(file.path)
    info = known_gguf(file.path)
    kind = kind_of(file, own, info.kind)
    facts = ModelFacts(
        kind,
        total_bytes(file.path),
        _per_token(info) if kind.generates or info.causal else 0,
        info.metadata_bytes,
        info.context_length or STEP_TOKENS,
        info.n_head_kv,
        info.dimensions,
    )
    return _with_draft(facts, Path(own.engine.draft)) if own.engine.draft else facts


def facts_of_entry(entry: Entry, size_bytes: int) -> ModelFacts:
    """From the catalogue, for a file of that size. An upper bound for the vocabulary."""
    kind, geometry = entry.kind.model_kind, entry.geometry
    keeps = kind.generates and geometry is not None
    return ModelFacts(
        kind,
        size_bytes,
        geometry.bytes_per_token(KvType.F16) if keeps and geometry else 0,
        LARGE_METADATA_BYTES,
        entry.context_length or STEP_TOKENS,
        entry.n_head_kv,
        entry.n_head_kv * entry.head_dim if entry.n_head_kv and entry.head_dim else None,
    )


def planned_model(
    name: str, key: str, facts: ModelFacts, engine: EngineSettings, node: Node
) -> PlannedService:
    """`node` has the memory that the services before it leave."""
    if facts.kind.generates:
        return _planned_text(name, key, facts, engine, node)
    return _planned_vectors(name, key, facts, engine, node)


def _planned_text(
    name: str, key: str, facts: ModelFacts, engine: EngineSettings, node: Node
) -> PlannedService:
    """Layers on a GPU or on helpers take no memory here that is known before the load: they count as 0."""
    geometry = Geometry(facts.kv_bytes_per_token, facts.weights_bytes, facts.trained_context)
    sizing = _sizing(node, geometry, engine)
    kv_bytes = sizing.kv_cells * kv_bytes_per_cell(geometry, sizing.kv_type)
    parked = kv_bytes * PARKED_SHARE if engine.prefix_cache else 0
    text = resident_bytes(facts.metadata_bytes)
    elsewhere = engine.gpu_layers != 0 or bool(engine.rpc_hosts)
    least = 0 if elsewhere else facts.weights_bytes + _least_kv(geometry, engine)
    sized = 0 if elsewhere else facts.weights_bytes + int(kv_bytes + parked)
    return PlannedService(
        name,
        facts.kind.name,
        key,
        least + text,
        sized + text + WORKER_BYTES + RESERVE_BYTES,
        sizing.threads,
        CpuPlace.TEXT,
        sizing.kv_cells,
    )


def _sizing(node: Node, geometry: Geometry, engine: EngineSettings) -> Sizing:
    """As the worker will size it. The worker reports settings that contradict each other: here they count as
    the smallest size.
    """
    try:
        return size(node, geometry, engine)
    except ConfigError:
        return Sizing(0, 1, _least_cells(geometry, engine), "f16", engine.threads or node.cores)


def _least_kv(geometry: Geometry, engine: EngineSettings) -> int:
    """The settings' own cells, else as few as a load needs, in the smaller type where that is allowed."""
    small = engine.kv_type != "f16" and engine.flash_attention != "off"
    return int(_least_cells(geometry, engine) * kv_bytes_per_cell(geometry, "q8_0" if small else "f16"))


def _least_cells(geometry: Geometry, engine: EngineSettings) -> int:
    wanted = engine.kv_cells or engine.context_length
    return wanted or min(MIN_CONTEXT_TOKENS, geometry.trained_context)


def _planned_vectors(
    name: str, key: str, facts: ModelFacts, engine: EngineSettings, node: Node
) -> PlannedService:
    """A step has all of its memory from the start, so that the smallest size is the size."""
    tokens = max(engine.batch_tokens, engine.context_length or STEP_TOKENS)
    step = step_bytes(facts.heads, facts.width, tokens) + tokens * facts.kv_bytes_per_token
    least = facts.weights_bytes + resident_bytes(facts.metadata_bytes)
    threads = engine.threads or compute_threads(facts.weights_bytes, node.cores)
    sized = least + step + WORKER_BYTES
    return PlannedService(name, facts.kind.name, key, least, sized, threads, CpuPlace.BATCH)


def _per_token(info: GgufInfo) -> int:
    return info.geometry.bytes_per_token(KvType.F16) if info.geometry else 0


def _with_draft(facts: ModelFacts, draft: Path) -> ModelFacts:
    """A draft model has a cell for each cell of the model."""
    check_parts(draft)
    return replace(
        facts,
        weights_bytes=facts.weights_bytes + total_bytes(draft),
        kv_bytes_per_token=facts.kv_bytes_per_token + _per_token(known_gguf(draft)),
    )
