"""One request under load: sent, watched, and written down whatever becomes of it."""

import asyncio
from dataclasses import dataclass, replace
from itertools import pairwise

from perf.load.load_samples import Request
from perf.targets.target import Answer, CompletionRequest, Target, TargetError

_SUSPICIOUS = {"lost", "unreachable", "protocol"}
_PROBES = 3
_PROBE_PAUSE_S = 1.0
_MESSAGE_LIMIT = 300


class TargetLost(Exception):
    """The target does not answer any more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`timeout_s` is the client's patience with one request; `max_in_flight` bounds an open loop."""

    timeout_s: float = 300.0
    max_in_flight: int = 256


class Flights:
    """The requests of one attempt at a step. Times in the samples count from `start`."""

    def __init__(self, target: Target, step: str, attempt: int, start: float, bounds: Bounds) -> None:
        self.requests: list[Request] = []
        self.most_in_flight = 0
        self.in_flight = 0
        self._target = target
        self._step = step
        self._attempt = attempt
        self._start = start
        self._bounds = bounds
        self._probe = asyncio.Lock()

    async def fly(self, index: int, scheduled: float, request: CompletionRequest) -> TargetError | None:
        """Sends it and waits for its end; its error, if it had one.

        `scheduled` is when it should be sent, on the loop's clock. Raises TargetLost.
        """
        if self.in_flight >= self._bounds.max_in_flight:
            message = f"{self._bounds.max_in_flight} requests were in flight"
            return self._fail(index, scheduled, request, None, TargetError("overflow", message))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._fly(index, scheduled, request)
        finally:
            self.in_flight -= 1

    async def _fly(self, index: int, scheduled: float, request: CompletionRequest) -> TargetError | None:
        sent = _now()
        try:
            answer = await self._complete(scheduled, sent, request)
        except TargetError as error:
            self._fail(index, scheduled, request, sent, error)
            if error.code in _SUSPICIOUS:
                await self._check_there(error)
            return error
        except asyncio.CancelledError:
            self._fail(index, scheduled, request, sent, TargetError("cut", "the step ended first"))
            raise
        self.requests.append(self._answered(index, scheduled, request, sent, answer))
        return None

    async def _complete(self, scheduled: float, sent: float, request: CompletionRequest) -> Answer:
        left = None if request.deadline_s is None else request.deadline_s - (sent - scheduled)
        if left is not None and left <= 0:
            raise TargetError("expired", "the deadline passed before it could be sent")
        try:
            async with asyncio.timeout(self._bounds.timeout_s):
                answer = await self._target.complete(replace(request, deadline_s=left))
        except TimeoutError as error:
            raise TargetError("timeout", f"no whole answer within {self._bounds.timeout_s:g} s") from error
        if not answer.arrivals:
            raise TargetError("empty", "the answer has no token")
        return answer

    async def _check_there(self, error: TargetError) -> None:
        """One probe at a time: a lost stream is an error, a lost server ends the run."""
        async with self._probe:
            for _ in range(_PROBES):
                try:
                    await self._target.describe()
                except TargetError as found:
                    reason = found
                else:
                    return
                await asyncio.sleep(_PROBE_PAUSE_S)
        raise TargetLost(f"{reason} (after: {error})") from error

    def _fail(
        self, index: int, scheduled: float, request: CompletionRequest, sent: float | None, error: TargetError
    ) -> TargetError:
        record = Request(
            step=self._step,
            attempt=self._attempt,
            index=index,
            scheduled_s=scheduled - self._start,
            sent_s=None if sent is None else sent - self._start,
            first_s=None,
            end_s=_now() - self._start,
            error=error.code,
            finish_reason="",
            max_tokens=request.max_tokens,
            num_prompt_tokens=None,
            num_cached_tokens=None,
            num_completion_tokens=0,
            gaps_s=[],
            priority=request.priority,
            deadline_s=request.deadline_s,
            message=str(error)[:_MESSAGE_LIMIT],
        )
        self.requests.append(record)
        return error

    def _answered(
        self, index: int, scheduled: float, request: CompletionRequest, sent: float, answer: Answer
    ) -> Request:
        times = [arrival.at for arrival in answer.arrivals]
        told = answer.num_completion_tokens
        return Request(
            step=self._step,
            attempt=self._attempt,
            index=index,
            scheduled_s=scheduled - self._start,
            sent_s=sent - self._start,
            first_s=times[0] - self._start,
            end_s=times[-1] - self._start,
            error="",
            finish_reason=answer.finish_reason,
            max_tokens=request.max_tokens,
            num_prompt_tokens=answer.num_prompt_tokens,
            num_cached_tokens=answer.num_cached_tokens,
            num_completion_tokens=sum(each.num_tokens for each in answer.arrivals) if told is None else told,
            gaps_s=[round(after - before, 6) for before, after in pairwise(times)],
            priority=request.priority,
            deadline_s=request.deadline_s,
            queue_s=answer.queue_s,
            prefill_s=answer.prefill_s,
            decode_s=answer.decode_s,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
