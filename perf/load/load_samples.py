"""What `bench load` leaves in a result file: one `load-step` a step, one `load-request` a request.

A step's name is its figures' `group`: `concurrency=4`, `rate=0.5`, `trace`, and `find=0.75` for a
probe of --find-rate. A figure of one class of several is in the group `STEP/CLASS`. Figures:

    ttft.p50  .p95  .p99            seconds, from the scheduled arrival to the first token
    itl.p50   .p95  .p99            seconds, gaps between arrivals of tokens, pooled over requests
    tpot.p50  .p95  .p99            seconds, per request: (end-to-end − TTFT) / (output tokens − 1)
    e2e.p50   .p95  .p99            seconds, from the scheduled arrival to the last token
    output_tokens_per_second        Σ output tokens / (last token − first scheduled arrival)
    requests_per_second             finished requests / the step's duration
    goodput                         requests that met all their limits / the step's duration
    attainment                      those / all requests of the step; with a 95 % Wilson interval
    errors  errors.CODE             requests that brought no whole answer
    cached_tokens_share             Σ cached / Σ prompt tokens, where the server tells
    schedule_lag.p50  .p99  .max    seconds from a request's scheduled arrival to sending it (open loop)
    loop_lag.p99                    seconds by which the client's event loop was late
    client_cpu_share                the client's CPU time / the step's duration: 1 is a whole core
    in_flight.max                   requests under way at once
    offered_rate                    open loop: requests scheduled / the schedule's length, a second
    client_bottleneck               1 when the client was the bottleneck, then the note says why; else 0

and once, in the group "": `highest_rate`, a second, with the note saying between which rates it lies;
None when no rate kept the limits.

Only whole answers have latencies. A request that brought no answer met no limit.
`step duration` is from the first scheduled arrival to the end of the last request.
"""

import enum
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from perf.record.sample_rows import decoder


class Loop(enum.StrEnum):
    """How requests come."""

    CLOSED = "closed"
    OPEN = "open"


class Request(msgspec.Struct, frozen=True, tag_field="kind", tag="load-request"):
    """One request. Times in seconds from the step's start; None: did not happen, or is not told.

    `error` is "" for a whole answer, else a TargetError's code, or `timeout` (the client's patience),
    `overflow` (the bound of requests in flight was reached: not sent), `expired` (its deadline had
    passed before it could be sent), `empty` (an answer without a token), `cut` (the step ended first).
    `gaps_s` are the times between arrivals of tokens; tokens that came together are one arrival.
    Queue, prefill and decode are by the server's clock.
    """

    step: str
    attempt: int
    index: int
    scheduled_s: float
    sent_s: float | None
    first_s: float | None
    end_s: float
    error: str
    finish_reason: str
    max_tokens: int
    num_prompt_tokens: int | None
    num_cached_tokens: int | None
    num_completion_tokens: int
    gaps_s: list[float]
    priority: str = ""
    deadline_s: float | None = None
    queue_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    message: str = ""

    @property
    def ttft_s(self) -> float | None:
        """From the scheduled arrival to the first token."""
        return None if self.error or self.first_s is None else self.first_s - self.scheduled_s

    @property
    def e2e_s(self) -> float | None:
        """From the scheduled arrival to the last token."""
        return None if self.error else self.end_s - self.scheduled_s

    @property
    def tpot_s(self) -> float | None:
        """(end-to-end − TTFT) / (output tokens − 1); None for fewer than two tokens."""
        if self.error or self.first_s is None or self.num_completion_tokens < 2:
            return None
        return (self.end_s - self.first_s) / (self.num_completion_tokens - 1)

    @property
    def lag_s(self) -> float | None:
        """From the scheduled arrival to sending; None when it was not sent."""
        return None if self.sent_s is None else max(0.0, self.sent_s - self.scheduled_s)


class Step(msgspec.Struct, frozen=True, tag_field="kind", tag="load-step"):
    """One step of load, after its requests. `level` is a concurrency or a rate a second; None: a trace's own.

    `schedule_s` is the length of the schedule, None for a closed loop. `loop_lags_s` are samples of how
    late the event loop was. `whole` is False when the step was broken off: the next attempt counts.
    """

    step: str
    attempt: int
    loop: Loop
    level: float | None
    duration_s: float
    num_requests: int
    whole: bool
    client_cpu_s: float
    loop_lags_s: list[float]
    most_in_flight: int
    schedule_s: float | None = None
    reason: str = ""


Sample: TypeAlias = Request | Step


decode: Callable[[dict[str, Any]], Sample] = decoder(Sample)
