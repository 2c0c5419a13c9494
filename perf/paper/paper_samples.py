"""The samples of `bench paper`, and the figures that follow from them.

Figures, each with `group` = the model's name:

    prefill_tokens_per_second   Σ computed prompt tokens / Σ prefill time; cached tokens are left out
    decode_tokens_per_second    Σ (completion tokens − 1) / Σ decode time: the first token is prefill's
    seconds_per_token           Σ end-to-end time / Σ completion tokens
    ttft.p50  ttft.p95          over the turns, by the client's clock, seconds
    cached_tokens_share         Σ cached / Σ prompt tokens
    load_seconds                start of the server's process to SERVING
    peak_rss_bytes              largest sum over the server and its workers that was sampled
    peak_pss_bytes              the same of PSS, which counts a shared page once
    memory_share                peak_pss_bytes / the machine's memory
    cpu_share                   CPU-seconds of server and workers / (turns' wall time × cores)
    temperature.max             °C
    throttled                   1 when the board throttled in any turn, else 0
    energy_per_token.gross      joules over the turns / completion tokens
    energy_per_token.net        the same with the idle power of the loaded server subtracted
    decode_cv  prefill_cv       stability: coefficient of variation over turns of the turn's own rate;
                                turns with at least MIN_DECODE_TOKENS generated, MIN_PREFILL_TOKENS computed
    num_turns  num_skipped_turns

A figure whose meter does not exist has the value None, and its note says why.

Throughput against context length is in the Turn samples: `num_prompt_tokens` is the context,
`prefill_tokens_per_second` and `decode_tokens_per_second` are that turn's own rates.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from perf.meter.reading import Reading
from perf.record.result_schema import Target
from perf.record.sample_rows import decoder

MIN_DECODE_TOKENS = 16
MIN_PREFILL_TOKENS = 32


class Started(msgspec.Struct, frozen=True, tag_field="kind", tag="started"):
    """A model's server came up. A resumed run has one more for each time it was started.

    `idle_w` is the power with the server loaded and idle, `energy_meter` what measured it. `not_measured`
    has the reason for each meter there is not: of `pss`, `temperature`, `throttling`, `energy`. `raw`: the
    model has no chat template, so it continues the conversation as plain text.
    """

    model: str
    target: Target
    size_bytes: int
    context_length: int
    load_s: float
    memory_total_bytes: int
    cores: int
    idle_w: float | None = None
    energy_meter: str = ""
    not_measured: dict[str, str] = {}
    raw: bool = False


class Turn(msgspec.Struct, frozen=True, tag_field="kind", tag="turn"):
    """One answer. `turn` counts the user's turns from 0. `text` is the model's own answer, which the
    next turn continues; keeping it lets an interrupted run go on exactly.

    Times in seconds: queue, prefill and decode by the server's clock, `ttft_s` and `end_s` by the
    client's. An empty answer has no first token: its `ttft_s` is None.
    """

    model: str
    dialogue: str
    turn: int
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int
    queue_s: float
    prefill_s: float
    decode_s: float
    ttft_s: float | None
    end_s: float
    finish_reason: str
    text: str
    reading: Reading

    @property
    def num_computed_tokens(self) -> int:
        """Prompt tokens that were not taken from the cache."""
        return self.num_prompt_tokens - self.num_cached_tokens

    @property
    def prefill_tokens_per_second(self) -> float | None:
        """The turn's own; None where it took no time."""
        return self.num_computed_tokens / self.prefill_s if self.prefill_s > 0 else None

    @property
    def decode_tokens_per_second(self) -> float | None:
        """The turn's own, the first token not counted: it is prefill's. None with fewer than two."""
        if self.num_completion_tokens < 2 or self.decode_s <= 0:
            return None
        return (self.num_completion_tokens - 1) / self.decode_s


class Skipped(msgspec.Struct, frozen=True, tag_field="kind", tag="skipped"):
    """A turn that was not played, and why; the dialogue ends with it."""

    model: str
    dialogue: str
    turn: int
    reason: str


Sample: TypeAlias = Started | Turn | Skipped


decode: Callable[[dict[str, Any]], Sample] = decoder(Sample)
