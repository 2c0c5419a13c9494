"""Loads a file as a LlamaBackend that is sized for this node, and tests it with one token."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from xapp.backend.llama import Limits, LlamaBackend
from xapp.backend.llama_draft import DraftFile
from xapp.backend.llama_first_steps import first_curve, self_test
from xapp.backend.llama_model import (
    ContextParams,
    can_share_prefixes,
    description,
    kv_bytes_per_token,
    load_model,
    new_context,
)
from xapp.backend.llama_more_contexts import isolated_contexts, prompt_contexts
from xapp.backend.llama_pieces import Pieces, vocabulary
from xapp.backend.llama_tuning import profile
from xapp.backend.native import llama
from xapp.backend.rpc.place import place
from xapp.backend.sizing import Geometry, Node, Sizing, kv_bytes_per_cell, size
from xapp.config import EngineSettings
from xapp.domain.messages import ModelInfo
from xapp.models.parts import total_bytes

_A = TypeVar("_A")
_B = TypeVar("_B")
MAX_SEQUENCES = 255
"""llama.cpp's own limit, less the spare id of `prompt_context`."""
BRANCHES = 16
"""llama.cpp keeps room for one row of logits for each sequence id: 3 MB for these and 49,152 tokens."""
PROBE_BYTES = 16 * 1024 * 1024
"""Logits of all probes of a step. The memory is taken when the first choices are scored."""
STEADY_TOKENS = 63
"""From 64 tokens a batch on, ggml's attention on a CPU sums in tiles, in float32. Below, it sums row by
row, in float16. The difference is enough to round some 8-bit activations the other way."""


def load(
    path: str, settings: EngineSettings, node: Node, on_progress: Callable[[float], None]
) -> LlamaBackend:
    """Raises ModelError with the file, ConfigError with the setting, Unavailable with the helper."""
    placed = place(path, settings, node)
    node, settings = placed.node, placed.settings
    elsewhere = settings.gpu_layers != 0 or placed.offload is not None
    with vocabulary(path) as (vocab, facts):
        model = load_model(path, settings.gpu_layers, on_progress, without=facts, offload=placed.offload)
        draft = _draft_file(path, vocab, settings)
        geometry = _geometry(model, path, draft)
        sizing = size(node, geometry, settings)
        found = profile(model, path, placed, sizing)
        limits = _limits(model, sizing, settings, elsewhere=elsewhere)
        params = ContextParams(
            cells=sizing.kv_cells,
            sequences=limits.sequences + limits.branches + 1,
            # llama.cpp keeps a row for each sequence id, even if no code reads the rows.
            outputs=max(limits.sequences + limits.branches + 1, sizing.slots + limits.probes),
            batch=settings.batch_tokens,
            threads=found.known.threads,
            threads_batch=found.known.threads_batch,
            kv_type=sizing.kv_type,
            flash_attention=found.known.flash_attention,
        )
        drafting = draft.open(_draft_params(params, sizing)) if draft else None
        context, pieces = _meanwhile(partial(new_context, model, params, path), partial(Pieces, vocab))
    info = msgspec.structs.replace(
        _info(model, geometry, sizing, params, settings),
        tuning=found.known,
        shards=placed.shards,
        missing_hosts=placed.missing,
    )
    backend = LlamaBackend(
        model,
        context,
        pieces,
        info,
        limits=limits,
        max_batch=settings.batch_tokens,
        profile=found,
        new_isolated=isolated_contexts(model, params, sizing, path),
        new_prompts=None if elsewhere else prompt_contexts(model, params, sizing, path),
        draft=drafting,
    )
    self_test(backend, path)
    backend.info = msgspec.structs.replace(info, curve=found.known.curve or first_curve(backend))
    if not elsewhere:  # otherwise a device may still use them
        backend.give_back_logits()
    return backend


def _draft_file(path: str, vocab: Any, settings: EngineSettings) -> DraftFile | None:
    """The draft model of the settings. Raises ModelError with its file."""
    if not settings.draft:
        return None
    return DraftFile(settings.draft, path, Pieces(vocab).digest, settings.gpu_layers)


def _draft_params(params: ContextParams, sizing: Sizing) -> ContextParams:
    """A sequence for each slot. llama.cpp keeps a row of logits for each."""
    return replace(params, sequences=sizing.slots, outputs=sizing.slots)


def _geometry(model: Any, path: str, draft: DraftFile | None) -> Geometry:
    """A draft model has a cell for each cell of the model."""
    per_token, weights = kv_bytes_per_token(model), total_bytes(Path(path))
    if draft is not None:
        per_token, weights = per_token + draft.kv_bytes_per_token, weights + draft.weight_bytes
    return Geometry(per_token, weights, llama.llama_model_n_ctx_train(model))


def _meanwhile(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
    """Both results. Native code of `first` runs in parallel with Python of `second`."""
    found: list[_B] = []
    thread = threading.Thread(target=lambda: found.append(second()))
    thread.start()
    try:
        result = first()
    finally:
        thread.join()
    return result, found[0]


def num_sequences(slots: int) -> int:
    """As many cached prefixes as slots."""
    return min(2 * slots, MAX_SEQUENCES)


def num_probes(vocab_size: int) -> int:
    """The number of probes in PROBE_BYTES of logits, 8 at least and 64 at most: more are no faster."""
    return max(8, min(64, PROBE_BYTES // (4 * vocab_size)))


def _limits(model: Any, sizing: Sizing, settings: EngineSettings, *, elsewhere: bool) -> Limits:
    sequences = num_sequences(sizing.slots)
    branches = min(BRANCHES, MAX_SEQUENCES - sequences) if can_share_prefixes(model) else 0
    vocab_size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    steady = 0 if elsewhere else min(STEADY_TOKENS, settings.batch_tokens)
    return Limits(sequences, branches, min(num_probes(vocab_size), settings.batch_tokens), steady)


def _info(
    model: Any, geometry: Geometry, sizing: Sizing, params: ContextParams, settings: EngineSettings
) -> ModelInfo:
    return ModelInfo(
        description=description(model),
        size_bytes=geometry.weight_bytes,
        context_length=sizing.context_length,
        num_slots=sizing.slots,
        kv_cells_total=sizing.kv_cells,
        kv_bytes=int(sizing.kv_cells * kv_bytes_per_cell(geometry, sizing.kv_type)),
        kv_type=sizing.kv_type,
        flash_attention=params.flash_attention,
        num_threads=params.threads,
        gpu_layers=min(settings.gpu_layers, llama.llama_model_n_layer(model) + 1),
        step_budget_s=settings.step_budget_s,
        prefill_share=settings.prefill_share,
        batch_tokens=settings.batch_tokens,
        strategy=settings.strategy,
        draft=Path(settings.draft).name,
        vocab_size=llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model)),
        shares_prefixes=can_share_prefixes(model),
        apart_from=_apart_from(params, settings),
    )


def _apart_from(params: ContextParams, settings: EngineSettings) -> int | None:
    """From so many tokens on, ggml's flash attention on a CPU computes 64 tokens of a batch as a tile. A tile
    with answers reads the cells of all of them for each of its tokens, so a batch has one kind only.
    """
    tiled = params.flash_attention and params.kv_type == "f16" and settings.gpu_layers == 0
    return STEADY_TOKENS + 1 if tiled else None
