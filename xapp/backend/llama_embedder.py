"""LlamaEmbedder: the owner of a llama.cpp context that turns texts into vectors, or pairs into scores."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xapp.backend.base import NOT_DRAWN, Batch, Sampler
from xapp.backend.interrupt import Interrupt, flag_function
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_context import NativeContext
from xapp.backend.native import llama
from xapp.backend.no_cells import NoCells
from xapp.backend.quiet_thread import QuietThread
from xapp.domain.messages import ModelInfo

# The binding's own function makes several Python objects of the pointer for each text.
_vector_address: Callable[[Any, int], int | None] = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32
)(("llama_get_embeddings_seq", llama._lib))


class LlamaEmbedder(NoCells):
    """A Backend with Pooling. Takes over `model` and `context`, which `llama_embed_load` makes.

    Quiet batches are computed in a thread of their own.
    """

    def __init__(self, model: Any, context: Any, info: ModelInfo, *, num_texts: int, max_batch: int) -> None:
        self._model = model
        self._context = NativeContext(context, num_texts, info.vocab_size)
        self._num_rows = num_texts
        self._memory = llama.llama_get_memory(context)
        self._batch = NativeBatch(max_batch)
        self._quiet = QuietThread()
        self.info = info
        self.num_sequences = num_texts
        self.interrupt = Interrupt()
        self._may_go_on = flag_function(llama.ggml_abort_callback)
        llama.llama_set_abort_callback(context, self._may_go_on, self.interrupt.address)

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        """See Backend. Draws nothing: `vectors` has the results."""
        if self._memory:
            llama.llama_memory_clear(self._memory, False)  # a causal model used cells in the last step
        native = self._batch.fill(batch)
        if batch.quiet:
            self._quiet.run(lambda: self._context.compute(native, outputs=False))
        else:
            self._context.compute(native, outputs=False)
        self._give_back_logits(len(batch))
        return [NOT_DRAWN] * len(batch.outputs)

    def vectors(self, places: Sequence[int], dimensions: int, *, normalized: bool) -> bytes:
        """See Pooling."""
        rows = np.stack([self._vector(place)[: dimensions or None] for place in places])
        if normalized:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rows.astype(np.float32).tobytes()

    def _vector(self, place: int) -> npt.NDArray[np.float32]:
        address = _vector_address(self._context.handle, place)
        assert address is not None, "every text of a batch has a vector"
        pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(pointer, shape=(self.info.dimensions,))

    def _give_back_logits(self, num_tokens: int) -> None:
        """llama.cpp makes room for the logits of all tokens of the largest batch so far, and zeroes it. An
        embedding has no logits.
        """
        if num_tokens > self._num_rows and self.info.gpu_layers == 0:
            self._num_rows = num_tokens
            self._context.give_back_rows(num_tokens)

    def close(self) -> None:
        """See Backend."""
        self._quiet.close()
        self._batch.close()
        self._context.close()
        llama.llama_model_free(self._model)
