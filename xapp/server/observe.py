"""What is counted and logged about one Generate: metrics as it goes, one log line at its end."""

import asyncio
import logging
import time
from types import TracebackType

import grpc

from xapp import logs
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.requests import Prompt
from xapp.errors import XappError
from xapp.telemetry.metrics import Metrics

MAX_MODEL_CHARS = 128
"""So much of the name that a caller asks for is logged."""

_log = logging.getLogger("xapp.request")


class Observation:
    """A context manager around the stream; it sees every event and the exception that ends it."""

    def __init__(self, metrics: Metrics, asked_model: str) -> None:
        self._metrics = metrics
        self._asked_model = asked_model[:MAX_MODEL_CHARS]
        self.prompt: Prompt | None = None
        """Set only where the settings allow it in the logs."""
        self._begin = time.monotonic()
        self._started: Started | None = None
        self._finished: Finished | None = None

    def __enter__(self) -> "Observation":
        return self

    def record(self, event: Event) -> None:
        """Notes an event. Called for every chunk: keep it cheap."""
        if type(event) is Chunk:
            return
        if type(event) is Started:
            self._started = event
        elif type(event) is Finished:
            self._finished = event

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = _code_of(error)
        duration_s = time.monotonic() - self._begin
        self._count(code, duration_s)
        logs.event(_log, "request", self._fields() | {"code": code, "duration_s": round(duration_s, 6)})

    @property
    def _model(self) -> str:
        # Only a model that answered names a time series: a caller's text would make one each.
        return self._started.model if self._started else ""

    def _count(self, code: str, duration_s: float) -> None:
        metrics, model = self._metrics, self._model
        metrics.requests.labels(model, code).inc()
        metrics.request_duration.labels(model).observe(duration_s)
        if started := self._started:
            metrics.tokens.labels(model, "prompt").inc(started.num_prompt_tokens)
            metrics.tokens.labels(model, "cached").inc(started.num_cached_tokens)
            metrics.joined.labels(model).inc(started.joined)
        if finished := self._finished:
            metrics.tokens.labels(model, "completion").inc(finished.num_completion_tokens)

    def _fields(self) -> dict[str, object]:
        fields: dict[str, object] = {"model": self._model or self._asked_model}
        if started := self._started:
            fields["num_prompt_tokens"] = started.num_prompt_tokens
            fields["num_cached_tokens"] = started.num_cached_tokens
            fields["joined"] = started.joined
        if finished := self._finished:
            fields["num_completion_tokens"] = finished.num_completion_tokens
            fields["finish_reason"] = finished.reason.value
            fields["time_to_first_token_s"] = round(finished.time_to_first_token_s, 6)
        if self.prompt is not None:
            fields["prompt"] = self.prompt
        return fields


def _code_of(error: BaseException | None) -> str:
    if error is None:
        return "OK"
    if isinstance(error, XappError):
        return error.code
    # gRPC's own error: it could not write, since the client is gone. That is no fault of the node.
    if isinstance(error, asyncio.CancelledError | grpc.aio.BaseError):
        return "CANCELLED"
    return "INTERNAL"
