"""Long contexts: steps in one cache for all sequences, and the same steps in a cache for each sequence.

Both contexts share one model, and take turns step by step. Each computes the cells of one prompt, and copies
them to all sequences, so that 8 long contexts cost one long prompt. Knows no engine.

`python -m perf.serving.long_context_loop --model FILE --threads N --most-cells N` answers a LongWork with a
LongSteps a line.
"""

import ctypes
import sys
import time
from typing import Any

import msgspec

from perf import json_child
from perf.callers.prompt_texts import token_prompt
from perf.serving.batch_arrays import BatchArrays
from xapp.backend.llama_model import ContextParams, load_model, new_context
from xapp.backend.native import llama

NUM_STREAMS = 8
_SPARE_CELLS = 256
"""Cells of each sequence beyond the longest context, for the measured steps."""
_BATCH_TOKENS = 192


class LongWork(msgspec.Struct, frozen=True):
    """8 sequences of `length` cells. They decode `num_steps` steps; then a ninth sequence computes each of
    `chunks` (numbers of prompt tokens) `num_chunks` times, while the others keep their cells.
    """

    length: int
    num_steps: int = 12
    chunks: tuple[int, ...] = (64, 192)
    num_chunks: int = 3


class LongSteps(msgspec.Struct, frozen=True):
    """Seconds of each step, by layout. `prompt_s` has them by the number of prompt tokens."""

    decode_s: dict[str, list[float]]
    prompt_s: dict[int, dict[str, list[float]]]


class Layout:
    """A context for 9 sequences of `most` cells each, as one cache or as a cache for each sequence."""

    def __init__(self, model: Any, path: str, threads: int, most: int, *, unified: bool) -> None:
        each = most + _SPARE_CELLS
        params = ContextParams(
            cells=(NUM_STREAMS + 1) * each,
            sequences=NUM_STREAMS + 1,
            outputs=NUM_STREAMS + 1,
            batch=_BATCH_TOKENS,
            threads=threads,
            threads_batch=threads,
            kv_type="f16",
            flash_attention=True,
            unified=unified,
        )
        self._context = new_context(model, params, path)
        self._memory = llama.llama_get_memory(self._context)
        self._arrays = BatchArrays(_BATCH_TOKENS)
        self._state = self._prefill(most)

    def _prefill(self, length: int) -> Any:
        """The state of sequence 0 after a prompt of `length` tokens."""
        for start in range(0, length, _BATCH_TOKENS):
            self.prompt_s(0, min(_BATCH_TOKENS, length - start), start)
        size = llama.llama_state_seq_get_size(self._context, 0)
        state = (ctypes.c_uint8 * size)()
        written = llama.llama_state_seq_get_data(self._context, state, size, 0)
        assert written == size, "llama.cpp stated this size itself"
        return state

    def fill(self, length: int) -> None:
        """Gives each of the 8 sequences the first `length` cells of the prompt. The ninth is empty."""
        state = self._state
        llama.llama_memory_clear(self._memory, False)
        for sequence in range(NUM_STREAMS):
            if not llama.llama_state_seq_set_data(self._context, state, len(state), sequence):
                raise RuntimeError(f"no room for {length} cells of sequence {sequence}")
            llama.llama_memory_seq_rm(self._memory, sequence, length, -1)
        self._arrays.one_each(NUM_STREAMS, length)

    def decode_s(self, token: int) -> float:
        """Seconds of the next step of all 8 sequences; `fill` goes before the first."""
        self._arrays.advance(token)
        return self._timed()

    def prompt_s(self, sequence: int, count: int, start: int = 0) -> float:
        """Seconds of a step of `count` prompt tokens."""
        self._arrays.prompt(token_prompt(count, start, sequence), sequence, start)
        return self._timed()

    def forget(self, sequence: int) -> None:
        """Frees the cells of a sequence."""
        llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def _timed(self) -> float:
        began = time.perf_counter()
        self._arrays.decode(self._context)
        return time.perf_counter() - began


class LongContextLoop:
    """Both layouts over one model. Raises ModelError when they cannot be had."""

    def __init__(self, path: str, threads: int, most: int) -> None:
        model = load_model(path, 0, lambda _: None)
        self._layouts = {
            "unified": Layout(model, path, threads, most, unified=True),
            "separate": Layout(model, path, threads, most, unified=False),
        }

    def run(self, work: LongWork) -> LongSteps:
        """Raises RuntimeError."""
        for layout in self._layouts.values():
            layout.fill(work.length)
        decode_s: dict[str, list[float]] = {name: [] for name in self._layouts}
        for step in range(work.num_steps):
            for name, layout in self._layouts.items():
                decode_s[name].append(layout.decode_s(1000 + step))
        return LongSteps(decode_s, {count: self._prompts(count, work.num_chunks) for count in work.chunks})

    def _prompts(self, count: int, times: int) -> dict[str, list[float]]:
        seconds: dict[str, list[float]] = {name: [] for name in self._layouts}
        for _ in range(times):
            for name, layout in self._layouts.items():
                seconds[name].append(layout.prompt_s(NUM_STREAMS, count))
                layout.forget(NUM_STREAMS)
        return seconds


def main(args: list[str]) -> None:
    """Serves LongWorks until standard input closes."""
    threads, most = (int(json_child.option(args, name)) for name in ("--threads", "--most-cells"))
    loop = LongContextLoop(json_child.option(args, "--model"), threads, most)
    json_child.serve(lambda line: loop.run(msgspec.json.decode(line, type=LongWork)))


if __name__ == "__main__":
    main(sys.argv[1:])
