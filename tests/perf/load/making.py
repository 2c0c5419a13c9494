"""Samples for tests."""

from perf.load.load_samples import Loop, Request, Step


def request(
    index: int = 0,
    *,
    scheduled: float = 0.0,
    sent: float | None = None,
    first: float | None = 1.0,
    end: float = 2.0,
    tokens: int = 11,
    error: str = "",
    priority: str = "",
    deadline: float | None = None,
    gaps: list[float] | None = None,
    step: str = "rate=1",
    attempt: int = 1,
) -> Request:
    return Request(
        step=step,
        attempt=attempt,
        index=index,
        scheduled_s=scheduled,
        sent_s=scheduled if sent is None else sent,
        first_s=None if error else first,
        end_s=end,
        error=error,
        finish_reason="length",
        max_tokens=tokens,
        num_prompt_tokens=20,
        num_cached_tokens=5,
        num_completion_tokens=0 if error else tokens,
        gaps_s=gaps or [],
        priority=priority,
        deadline_s=deadline,
        message=error and f"it was {error}",
    )


def step(
    *,
    loop: Loop = Loop.OPEN,
    duration: float = 10.0,
    cpu: float = 0.5,
    lags: list[float] | None = None,
    name: str = "rate=1",
    whole: bool = True,
    attempt: int = 1,
) -> Step:
    return Step(
        step=name,
        attempt=attempt,
        loop=loop,
        level=1.0,
        duration_s=duration,
        num_requests=2,
        whole=whole,
        client_cpu_s=cpu,
        loop_lags_s=[0.001] if lags is None else lags,
        most_in_flight=2,
        schedule_s=10.0 if loop is Loop.OPEN else None,
        reason="" if whole else "it went away",
    )
