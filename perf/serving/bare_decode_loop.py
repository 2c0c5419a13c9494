"""The bare loop: llama_decode over the same batch, and nothing else.

No sampling, no messages, no Python objects a token: the batch's arrays are filled by numpy, fixed
tokens are fed. What a contender loses against this is its own cost. Knows neither requests nor text.

`python -m perf.serving.bare_decode_loop --model FILE --engine-config JSON` answers a Work with a
Decoded a line.
"""

import sys
import time

import msgspec

from perf import json_child
from perf.callers.prompt_texts import Work, token_prompt
from perf.engine_config import EngineConfig
from perf.serving.batch_arrays import BatchArrays
from xapp.backend.llama_load import num_sequences
from xapp.backend.llama_model import ContextParams, load_model, new_context
from xapp.backend.native import llama


class Decoded(msgspec.Struct, frozen=True):
    """Tokens a second over the decode steps, and the seconds of each step."""

    tokens_per_second: float
    steps: list[float]


class Loop:
    """One model, one context shaped as the worker's. Raises ModelError when either cannot be had."""

    def __init__(self, model_path: str, engine_config: EngineConfig) -> None:
        model = load_model(model_path, 0, lambda _: None)
        self._context = new_context(model, _context_params(engine_config), model_path)
        self._memory = llama.llama_get_memory(self._context)
        self._arrays = BatchArrays(engine_config.batch_tokens)

    def run(self, work: Work) -> Decoded:
        """Prefills the prompts, then times each decode step on its own. Raises RuntimeError."""
        llama.llama_memory_clear(self._memory, False)
        for sequence in range(work.num_streams):
            prompt = token_prompt(work.prompt_tokens, work.seed, sequence)
            self._arrays.prompt(prompt, sequence)
            self._arrays.decode(self._context)
        self._arrays.one_each(work.num_streams, work.prompt_tokens)
        steps = [self._timed_step(work.num_streams, index) for index in range(work.num_tokens - 1)]
        return Decoded(work.num_streams * len(steps) / sum(steps), steps)

    def _timed_step(self, num_streams: int, index: int) -> float:
        start = time.perf_counter()
        self._arrays.advance(1000 + index)
        self._arrays.decode(self._context)
        return time.perf_counter() - start


def _context_params(engine_config: EngineConfig) -> ContextParams:
    return ContextParams(
        cells=engine_config.kv_cells,
        sequences=num_sequences(engine_config.num_slots),
        outputs=num_sequences(engine_config.num_slots),
        batch=engine_config.batch_tokens,
        threads=engine_config.num_threads,
        threads_batch=engine_config.num_threads,
        kv_type=engine_config.kv_type,
        flash_attention=engine_config.flash_attention,
    )


def main(args: list[str]) -> None:
    """Serves Works until standard input closes."""
    engine_config = msgspec.json.decode(json_child.option(args, "--engine-config"), type=EngineConfig)
    loop = Loop(json_child.option(args, "--model"), engine_config)
    json_child.serve(lambda line: loop.run(msgspec.json.decode(line, type=Work)))


if __name__ == "__main__":
    main(sys.argv[1:])
