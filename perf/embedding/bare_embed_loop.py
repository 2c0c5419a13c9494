"""The bare loop: llama.cpp over batches of texts, and nothing else.

No tokenizing, no messages: the batch's arrays are filled once. What a server loses against this is its own
cost.

`python -m perf.embedding.bare_embed_loop --model FILE` answers a Work with a Computed a line.
"""

import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from perf import json_child
from xapp.backend.base import Batch
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_model import ContextParams, load_model, new_context
from xapp.backend.native import llama
from xapp.models.info import read_gguf


class Work(msgspec.Struct, frozen=True):
    """`repeats` batches of `num_texts` texts. `at_once` texts are in one llama_decode."""

    num_texts: int
    num_tokens: int
    at_once: int
    threads: int
    repeats: int


class Computed(msgspec.Struct, frozen=True):
    """Texts a second, of all batches together."""

    texts_per_second: float


class Loop:
    """One model. A context for each shape of a batch. Raises ModelError when there can be none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._model = load_model(path, 0, lambda _: None)
        self._pooling = read_gguf(Path(path)).pooling or llama.LLAMA_POOLING_TYPE_MEAN

    def run(self, work: Work) -> Computed:
        """Computes the batches after one that does not count."""
        tokens = work.at_once * work.num_tokens
        context = new_context(self._model, self._params(work, tokens), self._path)
        batch = NativeBatch(tokens)
        try:
            native = batch.fill(_texts(work))
            self._compute(context, native, work.at_once)
            started = time.perf_counter()
            num_decodes = work.repeats * (work.num_texts // work.at_once)
            for _ in range(num_decodes):
                self._compute(context, native, work.at_once)
            return Computed(num_decodes * work.at_once / (time.perf_counter() - started))
        finally:
            batch.close()
            llama.llama_free(context)

    def _params(self, work: Work, tokens: int) -> ContextParams:
        return ContextParams(
            cells=tokens,
            sequences=work.at_once,
            outputs=tokens,
            batch=tokens,
            threads=work.threads,
            threads_batch=work.threads,
            kv_type="f16",
            flash_attention=False,
            pooling=self._pooling,
        )

    def _compute(self, context: object, native: object, count: int) -> None:
        code = llama.llama_decode(context, native)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code}")
        width = llama.llama_model_n_embd_out(self._model)
        for place in range(count):
            vector = llama.llama_get_embeddings_seq(context, place)
            np.ctypeslib.as_array(vector, shape=(width,)).copy()


def _texts(work: Work) -> Batch:
    batch = Batch(keeps_cells=False)
    for place in range(work.at_once):
        batch.extend([1000 + (place * 7 + each) % 500 for each in range(work.num_tokens)], 0, place)
        batch.want_output()
    return batch


def main(args: list[str]) -> None:
    """Serves Works until standard input closes."""
    loop = Loop(json_child.option(args, "--model"))
    json_child.serve(lambda line: loop.run(msgspec.json.decode(line, type=Work)))


if __name__ == "__main__":
    main(sys.argv[1:])
