"""Makes the contexts beside the main context of a model: for an isolated sequence, and for prompts."""

from dataclasses import replace
from typing import Any

from xapp.backend.llama import NewContext
from xapp.backend.llama_context import NativeContext
from xapp.backend.llama_model import ContextParams, can_share_prefixes, kv_bytes_per_token, new_context
from xapp.backend.native import llama
from xapp.backend.node import this_node
from xapp.backend.prompt_context import SEQUENCES, NewPrompts, PromptContext
from xapp.backend.sizing import Sizing
from xapp.errors import ModelError
from xapp.steps.pace import ISOLATED_CHUNK

CELL_BLOCK = 256
"""llama.cpp makes KV caches in blocks of so many cells."""
ISOLATED_BYTES = 64 * 1024 * 1024
"""Memory of such a context, in addition to its cells."""
PROMPT_CELLS = 2048
"""Cells of the separate context of prompts, at most. Later chunks of a longer prompt are computed in the main
context."""


def isolated_contexts(model: Any, params: ContextParams, sizing: Sizing, path: str) -> NewContext:
    """Contexts for one sequence. They use the default number of threads, not the measured best: attention may
    sum by threads, and the measured number changes.
    """
    one = replace(
        params,
        sequences=1,
        outputs=1,
        batch=min(ISOLATED_CHUNK, params.batch),
        threads=sizing.threads,
        threads_batch=sizing.threads,
    )

    def new(num_tokens: int) -> Any:
        cells = -(-num_tokens // CELL_BLOCK) * CELL_BLOCK
        _check_memory(model, cells, path)
        return new_context(model, replace(one, cells=cells), path)

    return new


def prompt_contexts(model: Any, params: ContextParams, sizing: Sizing, path: str) -> NewPrompts | None:
    """The context of prompts. It takes the last sequence id of the main context as its spare id. None for a
    recurrent state, which has no cells.
    """
    if not can_share_prefixes(model):
        return None
    most = min(PROMPT_CELLS, sizing.context_length, sizing.kv_cells // 2)
    cells = -(-most // CELL_BLOCK) * CELL_BLOCK
    own = replace(params, cells=cells, sequences=SEQUENCES, outputs=SEQUENCES)

    def new(main: NativeContext) -> PromptContext:
        _check_memory(model, cells, path)
        handle = new_context(model, own, path)
        threads = llama.llama_n_threads(main.handle), llama.llama_n_threads_batch(main.handle)
        llama.llama_set_n_threads(handle, *threads)  # measured since the load
        context = NativeContext(handle, SEQUENCES, main.vocab_size)
        return PromptContext(main, params.sequences - 1, context, cells)

    return new


def _check_memory(model: Any, cells: int, path: str) -> None:
    """Raises ModelError, reason NO_CONTEXT, where the node has no room for a context of so many cells."""
    need = cells * kv_bytes_per_token(model) + ISOLATED_BYTES
    if need > this_node().memory_bytes:
        raise ModelError(f"{path}: no memory for {cells} KV cells more", reason="NO_CONTEXT")
