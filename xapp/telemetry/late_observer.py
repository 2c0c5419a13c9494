"""An Observer for a service that starts before the metrics are imported."""

from collections.abc import Sequence

from xapp.domain.answers import Finished, Started
from xapp.domain.states import ModelState
from xapp.telemetry.observe import NullObserver, Observer


class LateObserver:
    """Passes everything on to `target`. Nothing is lost: without ports there are no requests."""

    def __init__(self) -> None:
        self.target: Observer = NullObserver()

    def on_started(self, model: str, started: Started) -> None:
        """Passed on."""
        self.target.on_started(model, started)

    def on_first_token(self, model: str, time_to_first_token_s: float) -> None:
        """Passed on."""
        self.target.on_first_token(model, time_to_first_token_s)

    def on_tokens(self, model: str, gaps_s: Sequence[float]) -> None:
        """Passed on."""
        self.target.on_tokens(model, gaps_s)

    def on_finished(self, model: str, outcome: str, finished: Finished | None) -> None:
        """Passed on."""
        self.target.on_finished(model, outcome, finished)

    def on_state(self, model: str, state: ModelState) -> None:
        """Passed on."""
        self.target.on_state(model, state)
