"""The counts and the log record of one request, from the call to its end. Its outcome is computed here, once.

A port opens an Observation around a request and passes every event to it. The service sets the model.
"""

import asyncio
import logging
import time
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Self

from xapp import logs
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.requests import Prompt
from xapp.errors import XappError

if TYPE_CHECKING:
    # A service without a port has no metrics to import.
    from xapp.telemetry.metrics import Metrics

MAX_MODEL_CHARS = 128
"""Limit of the logged part of a caller's model name."""

_log = logging.getLogger("xapp.request")
_current: ContextVar["Observation | None"] = ContextVar("observation", default=None)


def found_model(name: str) -> None:
    """Sets the model of the present request."""
    if observation := _current.get():
        observation.model = name


class Observation:
    """A context manager around one request. It sees every event, and the exception that ends the request.

    `asked_model` is the caller's text. `client_gone` are the port's own errors for a caller that has left.
    """

    def __init__(
        self,
        metrics: "Metrics",
        asked_model: str,
        client_gone: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        self._metrics = metrics
        self._asked_model = asked_model[:MAX_MODEL_CHARS]
        self._client_gone = client_gone
        self.model = ""
        """The model for the metrics. Only a known model names a time series: each text of a caller would make
        one.
        """
        self.prompt: Prompt | None = None
        """The request's text for the log, if the settings allow it."""
        self._begin = time.monotonic()
        self._started: Started | None = None
        self._finished: Finished | None = None
        self._token: Token[Observation | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def record(self, event: Event) -> None:
        """Notes an event. Called for every chunk: keep it cheap."""
        if type(event) is Chunk:
            return
        if type(event) is Started:
            self._started = event
            if event.routed is None or not event.routed.by_upstream:
                # An upstream's name for its model is any text.
                self.model = event.model
        elif type(event) is Finished:
            self._finished = event

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)
        if isinstance(error, self._client_gone):
            # The event could not be written, since the client is gone. That is no fault of the node.
            error = asyncio.CancelledError()
        code, duration_s = _code_of(error), time.monotonic() - self._begin
        self._count(code, self._outcome_of(error), duration_s)
        logs.event(_log, "request", self._fields() | {"code": code, "duration_s": round(duration_s, 6)})

    def _outcome_of(self, error: BaseException | None) -> str:
        """A finish reason, "cancelled", or an error's reason in lower case."""
        if self._finished is not None:
            return self._finished.reason.value
        if isinstance(error, XappError):
            return error.reason.lower()
        return "internal" if isinstance(error, Exception) else "cancelled"

    def _count(self, code: str, outcome: str, duration_s: float) -> None:
        metrics, model = self._metrics, self.model
        metrics.requests.labels(model, code).inc()
        metrics.outcomes.labels(model, outcome).inc()
        metrics.request_duration.labels(model).observe(duration_s)
        if started := self._started:
            metrics.tokens.labels(model, "prompt").inc(started.num_prompt_tokens)
            metrics.tokens.labels(model, "cached").inc(started.num_cached_tokens)
            metrics.joined.labels(model).inc(started.joined)
        if finished := self._finished:
            metrics.tokens.labels(model, "completion").inc(finished.num_completion_tokens)
            if routed := finished.routed:
                who = "upstream" if routed.by_upstream else "local"
                metrics.routed.labels(who, routed.reason.value).inc()

    def _fields(self) -> dict[str, object]:
        fields: dict[str, object] = {"model": self.model or self._asked_model}
        if started := self._started:
            fields["num_prompt_tokens"] = started.num_prompt_tokens
            fields["num_cached_tokens"] = started.num_cached_tokens
            fields["joined"] = started.joined
        if finished := self._finished:
            fields["num_completion_tokens"] = finished.num_completion_tokens
            fields["finish_reason"] = finished.reason.value
            if routed := finished.routed:
                fields["answered_by"] = "upstream" if routed.by_upstream else "local"
                fields["routing_reason"] = routed.reason.value
            if finished.energy is not None:
                fields["energy_j"] = round(finished.energy.gross_j, 3)
            fields["time_to_first_token_s"] = round(finished.time_to_first_token_s, 6)
        if self.prompt is not None:
            fields["prompt"] = self.prompt
        return fields


def _code_of(error: BaseException | None) -> str:
    if error is None:
        return "OK"
    if isinstance(error, XappError):
        return error.code
    return "INTERNAL" if isinstance(error, Exception) else "CANCELLED"
