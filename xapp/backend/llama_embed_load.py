"""Loads a file as a LlamaEmbedder that is sized for this node, and tests it with one text."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from xapp.backend.base import Batch, DecodeError
from xapp.backend.llama_embedder import LlamaEmbedder
from xapp.backend.llama_model import ContextParams, description, load_model, new_context
from xapp.backend.llama_pieces import vocabulary
from xapp.backend.native import llama
from xapp.backend.sizing import Node
from xapp.config import EngineSettings
from xapp.domain.kinds import RERANKER, ModelKind
from xapp.domain.messages import ModelInfo, StepCurve
from xapp.errors import ConfigError, ModelError
from xapp.models.gguf import read_tensor_bytes
from xapp.models.info import read_gguf
from xapp.models.parts import all_parts, total_bytes
from xapp.models.vector_memory import compute_threads

NUM_TEXTS = 64
"""Texts of a step, at most."""
SLOTS = 16
"""Requests whose texts are computed in turn. They hold no memory, only their place."""
DEFAULT_CONTEXT = 512
"""Tokens of a text, unless the settings say more. The memory of a step grows with their square."""
SIZES = (8, 32, 96, 192)
"""Tokens of the steps that are measured at the load."""
MEASURE_S = 0.5
"""After so much time the larger steps are estimated."""
_HEAD = "cls.output.weight"


def load_embedder(
    path: str, kind: ModelKind, settings: EngineSettings, node: Node, on_progress: Callable[[float], None]
) -> LlamaEmbedder:
    """Raises ModelError with the file, ConfigError with the setting."""
    pooling = _pooling(path, kind)
    with vocabulary(path) as (_, facts):
        model = load_model(path, settings.gpu_layers, on_progress, without=facts)
    length = _context_length(model, settings)
    params = _params(path, settings, node, pooling, length)
    context = new_context(model, params, path)
    info = _info(model, path, kind, settings, (params, length))
    embedder = LlamaEmbedder(model, context, info, num_texts=params.sequences, max_batch=params.batch)
    self_test(embedder, path)
    embedder.info = _with_curve(embedder)
    return embedder


def _pooling(path: str, kind: ModelKind) -> int:
    """llama.cpp's number of the pooling. Raises ModelError for a reranker without its head: llama.cpp would
    give the numbers of the last layer as scores.
    """
    if kind is not RERANKER:
        stated = read_gguf(Path(path)).pooling
        return stated if stated is not None and stated in _POOLINGS else _MEAN
    if not any(_HEAD in read_tensor_bytes(part) for part in all_parts(Path(path))):
        text = f"{path}: a reranker needs the tensor {_HEAD}, and this file has none: its scores mean nothing"
        raise ModelError(text, reason="NO_RANKING_HEAD")
    return int(llama.LLAMA_POOLING_TYPE_RANK)


_MEAN = int(llama.LLAMA_POOLING_TYPE_MEAN)
_POOLINGS = (llama.LLAMA_POOLING_TYPE_MEAN, llama.LLAMA_POOLING_TYPE_CLS, llama.LLAMA_POOLING_TYPE_LAST)


def _context_length(model: Any, settings: EngineSettings) -> int:
    trained = int(llama.llama_model_n_ctx_train(model))
    wanted = settings.context_length or min(trained, DEFAULT_CONTEXT)
    if wanted > trained:
        text = f"{wanted} is over the {trained} tokens the model is made for"
        raise ConfigError("XAPP_CONTEXT_LENGTH", text)
    return wanted


def _params(path: str, settings: EngineSettings, node: Node, pooling: int, length: int) -> ContextParams:
    """A text is computed in one batch. A causal model has a cell for each token of a batch."""
    batch = max(settings.batch_tokens, length)
    threads = settings.threads or compute_threads(total_bytes(Path(path)), node.cores)
    return ContextParams(
        cells=batch,
        sequences=NUM_TEXTS,
        outputs=batch,
        batch=batch,
        threads=threads,
        threads_batch=threads,
        kv_type="f16",
        flash_attention=settings.flash_attention == "on",
        pooling=pooling,
    )


def _info(
    model: Any, path: str, kind: ModelKind, settings: EngineSettings, sizes: tuple[ContextParams, int]
) -> ModelInfo:
    (params, length), ranks = sizes, kind is RERANKER
    return ModelInfo(
        description=description(model),
        size_bytes=total_bytes(Path(path)),
        context_length=length,
        num_slots=min(settings.slots or SLOTS, params.batch),
        kv_cells_total=0,
        kv_bytes=0,
        kv_type=params.kv_type,
        flash_attention=params.flash_attention,
        num_threads=params.threads,
        gpu_layers=min(settings.gpu_layers, llama.llama_model_n_layer(model) + 1),
        step_budget_s=settings.step_budget_s,
        vocab_size=llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model)),
        shares_prefixes=False,
        batch_tokens=params.batch,
        kind=kind.name,
        dimensions=int(llama.llama_model_n_cls_out(model) if ranks else llama.llama_model_n_embd_out(model)),
    )


def self_test(embedder: LlamaEmbedder, path: str) -> None:
    """Computes one text: a bad build or a bad file fails here, not in a caller's request."""
    try:
        _compute(embedder, 2)
    except DecodeError as error:
        raise ModelError(f"{path}: the self-test text: {error}", reason="SELF_TEST_FAILED") from error
    numbers = np.frombuffer(embedder.vectors([0], 0, normalized=False), dtype=np.float32)
    if not np.isfinite(numbers).all():
        text = f"{path}: the vector of the self-test text is not finite"
        raise ModelError(text, reason="SELF_TEST_FAILED")


def _with_curve(embedder: LlamaEmbedder) -> ModelInfo:
    return msgspec.structs.replace(embedder.info, curve=first_curve(embedder))


def first_curve(embedder: LlamaEmbedder) -> StepCurve:
    """The times of steps with few and with many tokens. A larger step is no dearer a token than a smaller:
    another program that used a core for a moment would otherwise decide the size of every step.
    """
    rows: list[int] = []
    row_s: list[float] = []
    for count in (each for each in SIZES if each <= embedder.info.context_length):
        dearest = row_s[-1] / rows[-1] * count if rows else float("inf")
        seconds = dearest if sum(row_s) > MEASURE_S else min(_seconds(embedder, count), dearest)
        rows.append(count)
        row_s.append(seconds)
    return StepCurve(tuple(rows), tuple(row_s), (1,), (row_s[0],))


def _seconds(embedder: LlamaEmbedder, count: int) -> float:
    started = time.perf_counter()
    _compute(embedder, count)
    return time.perf_counter() - started


def _compute(embedder: LlamaEmbedder, count: int) -> None:
    batch = Batch(keeps_cells=False, hurried=True)
    batch.extend([0] * count, 0, 0)
    batch.want_output()
    embedder.decode(batch, [])
