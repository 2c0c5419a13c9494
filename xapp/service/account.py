"""Tells the Observer of one request's start and, exactly once, its end."""

from types import TracebackType
from typing import Self

from xapp.domain.answers import Event, Finished, Started
from xapp.errors import XappError
from xapp.telemetry.observe import Observer


class Account:
    """A context around all of a request. `model` stays "" until a model of that name was found:
    what callers write must not become a metric's label.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._finished: Finished | None = None
        self.model = ""

    def record(self, event: Event) -> None:
        """What is about to be yielded."""
        if isinstance(event, Started):
            self._observer.on_started(self.model, event)
        elif isinstance(event, Finished):
            self._finished = event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.on_finished(self.model, self._outcome(error), self._finished)

    def _outcome(self, error: BaseException | None) -> str:
        if self._finished is not None:
            return self._finished.reason.value
        if isinstance(error, XappError):
            return error.reason.lower()
        return "internal" if isinstance(error, Exception) else "cancelled"
