"""Loads a GGUF file and makes a context for it. Every failure is a ModelError with file and reason."""

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xapp.backend.load_error import check_readable, load_reason
from xapp.backend.native import captured_errors, llama
from xapp.backend.rpc.devices import Offload, OffloadParams
from xapp.errors import ModelError

PROGRESS_INTERVAL_S = 0.1
GGML_TYPES = {"f16": 1, "q8_0": 8}


@dataclass(frozen=True, slots=True)
class ContextParams:
    """The parameters of a context."""

    cells: int
    sequences: int
    outputs: int
    batch: int
    threads: int
    threads_batch: int
    kv_type: str
    flash_attention: bool
    unified: bool = True
    """One cache for all sequences. Otherwise each sequence has a cache of `cells` / `sequences` cells."""
    pooling: int | None = None
    """llama.cpp's number of the way in which the vectors of a text's tokens become one. None: no vectors."""


@dataclass(frozen=True, slots=True)
class VocabFacts:
    """The facts about a vocabulary that a model without it needs."""

    architecture: str
    num_tokens: int


def load_model(
    path: str,
    gpu_layers: int,
    on_progress: Callable[[float], None],
    without: VocabFacts | None = None,
    offload: Offload | None = None,
) -> Any:
    """The model handle. With `without` it has no vocabulary, only a number of tokens without text.
    With `offload` some layers are at helpers, in place of `gpu_layers`.

    `on_progress` gets 0 to 1. An exception from it ends the load and is raised here.
    """
    check_readable(Path(path))
    params = llama.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    native = OffloadParams(offload) if offload is not None else None
    if native is not None:
        native.set(params)
    progress = _Progress(on_progress)
    params.progress_callback = llama.llama_progress_callback(progress)
    overrides = None if without is None else _without_vocab(without)
    params.kv_overrides = overrides
    with captured_errors() as lines:
        model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        if progress.error is not None:
            raise progress.error
        raise ModelError(f"{path}: {load_reason(lines)}")
    if not llama.llama_model_has_decoder(model) or llama.llama_model_has_encoder(model):
        llama.llama_model_free(model)
        raise ModelError(f"{path}: not a decoder-only language model", reason="UNSUPPORTED_MODEL")
    _check_context(model, path)
    return model


def _check_context(model: Any, path: str) -> None:
    """llama.cpp reads the file's 32 bits as a signed number, and takes any."""
    trained = int(llama.llama_model_n_ctx_train(model))
    if trained <= 0:
        llama.llama_model_free(model)
        text = f"its context_length is {trained % 2**32:,} tokens, and a context has 1 to {2**31 - 1:,}"
        raise ModelError(f"{path} is corrupt: {text}")


def _without_vocab(facts: VocabFacts) -> Any:
    """Overrides of the file's metadata. The last entry has no key and ends them."""
    overrides = (llama.llama_model_kv_override * 3)()
    tokenizer, size, _ = overrides
    tokenizer.key, tokenizer.tag = b"tokenizer.ggml.model", llama.LLAMA_KV_OVERRIDE_TYPE_STR
    tokenizer.value.val_str = b"no_vocab"
    size.key, size.tag = f"{facts.architecture}.vocab_size".encode(), llama.LLAMA_KV_OVERRIDE_TYPE_INT
    size.value.val_i64 = facts.num_tokens
    return overrides


class _Progress:
    """Calls `report` at most ten times a second.

    Exceptions cannot pass through C: they are kept and end the load.
    """

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._last = 0.0
        self.error: Exception | None = None

    def __call__(self, fraction: float, _user_data: object) -> bool:
        now = time.monotonic()
        if now - self._last >= PROGRESS_INTERVAL_S:
            self._last = now
            try:
                self._report(fraction)
            except Exception as error:  # noqa: BLE001  raised again by load_model
                self.error = error
        return self.error is None


def new_context(model: Any, params: ContextParams, path: str) -> Any:
    """The context handle; its KV cache is allocated."""
    native = llama.llama_context_default_params()
    native.n_ctx = params.cells
    native.n_batch = native.n_ubatch = params.batch
    native.n_seq_max = params.sequences
    # Without this option llama.cpp reserves logits of a whole batch: 100 MB for a vocabulary of 49,152.
    native.n_outputs_max = params.outputs
    native.n_threads, native.n_threads_batch = params.threads, params.threads_batch
    native.type_k = native.type_v = GGML_TYPES[params.kv_type]
    native.flash_attn_type = int(params.flash_attention)
    native.kv_unified = params.unified
    # A prefix can only be shared while all its cells exist: keep the cells that a sliding window has left.
    native.swa_full = True
    native.no_perf = True
    if params.pooling is not None:
        native.embeddings, native.pooling_type = True, params.pooling
    with captured_errors() as lines:
        context = llama.llama_init_from_model(model, native)
    if not context:
        what = f"no context of {params.cells} KV cells of {params.kv_type}"
        raise ModelError(f"{path}: {what}: {load_reason(lines)}", reason="NO_CONTEXT")
    return context


def kv_bytes_per_token(model: Any) -> int:
    """Bytes of one token's K and V in f16, an upper bound where layers differ."""
    width = _head_width(model, "key") + _head_width(model, "value")
    return int(llama.llama_model_n_layer(model) * llama.llama_model_n_head_kv(model) * width * 2)


def _head_width(model: Any, kind: str) -> int:
    architecture = metadata(model, "general.architecture")
    stated = metadata(model, f"{architecture}.attention.{kind}_length")
    if stated.isdigit():
        return int(stated)
    return int(llama.llama_model_n_embd(model) // max(llama.llama_model_n_head(model), 1))


def metadata(model: Any, key: str) -> str:
    """A value of the file's metadata as text; "" when there is none."""
    buffer = ctypes.create_string_buffer(256)
    llama.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer))
    return buffer.value.decode(errors="replace")


def description(model: Any) -> str:
    """For instance "llama 256M Q4_1"."""
    buffer = ctypes.create_string_buffer(256)
    llama.llama_model_desc(model, buffer, len(buffer))
    return buffer.value.decode(errors="replace")


def can_share_prefixes(model: Any) -> bool:
    """False for a recurrent state, which cannot be cut at a token."""
    return not (llama.llama_model_is_recurrent(model) or llama.llama_model_is_hybrid(model))
