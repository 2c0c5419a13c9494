"""Measures the speed of a prompt, and of answers to several callers at once. Runs in a child process.

The callers share one computed prompt: the speed of reading the weights decides between formats.
"""

import resource
import statistics
import time
from collections.abc import Sequence

from xapp.backend.base import Batch
from xapp.backend.native import llama
from xapp.backend.optimize.jobs import Speed, Speeds
from xapp.backend.optimize.session import Session, session

PROMPT_TOKENS = 512
"""Tokens of one step, as in a worker's largest step."""
WARM_UP_TOKENS = 32
WARM_UP_STEPS = 2
STEPS = 16
"""Measured decode steps at each number of streams. Their median counts."""


def measure(job: Speed) -> Speeds:
    """Raises ModelError."""
    most = max(job.streams)
    room = len(job.streams) * (WARM_UP_STEPS + STEPS) * most
    with session(
        job.path,
        [job.text],
        cells=PROMPT_TOKENS + room,
        sequences=most,
        outputs=most,
        batch=PROMPT_TOKENS,
        threads=job.threads,
    ) as (made, [tokens]):
        prefill = _prefill(made, tokens)
        decoder = _Decoder(made)
        decode = {count: decoder.speed(count) for count in sorted(job.streams)}
    return Speeds(prefill, decode, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _prefill(made: Session, tokens: Sequence[int]) -> float:
    """Tokens a second. The prompt stays as sequence 0."""
    prompt = (list(tokens) * (PROMPT_TOKENS // len(tokens) + 1))[:PROMPT_TOKENS]
    _compute(made, prompt[:WARM_UP_TOKENS])  # touches every page of the weights
    made.clear()
    return PROMPT_TOKENS / _compute(made, prompt)


def _compute(made: Session, tokens: list[int]) -> float:
    """Seconds."""
    batch = Batch()
    batch.extend(tokens, 0, 0)
    batch.want_output()
    began = time.perf_counter()
    made.decode(batch)
    return time.perf_counter() - began


class _Decoder:
    """One step of all sequences so far, at the same position."""

    def __init__(self, made: Session) -> None:
        self._made = made
        self._position = PROMPT_TOKENS
        self._streams = 1

    def speed(self, streams: int) -> float:
        """Tokens a second of so many streams together. `streams` must not decrease."""
        for seq_id in range(self._streams, streams):
            llama.llama_memory_seq_cp(self._made.memory, 0, seq_id, -1, -1)
        self._streams = streams
        seconds = [self._step() for _ in range(WARM_UP_STEPS + STEPS)]
        return streams / statistics.median(seconds[WARM_UP_STEPS:])

    def _step(self) -> float:
        batch = Batch()
        for seq_id in range(self._streams):
            batch.add(seq_id, self._position, seq_id)
            batch.want_output()
        self._position += 1
        began = time.perf_counter()
        self._made.decode(batch)
        return time.perf_counter() - began
