"""Reporting: a sampler that keeps the model's log-probabilities of what it draws."""

from typing import NamedTuple

from xapp.backend.base import Outcome, Sampler


class Report(NamedTuple):
    """Natural logarithms of the model's own probabilities, before any sampling parameter."""

    log_probability: float
    top: list[tuple[int, float]]


class Reporting:
    """Wraps the sampler that draws. `num_top` of the most likely tokens are reported with each draw."""

    def __init__(self, inner: Sampler, num_top: int) -> None:
        self.inner = inner
        self.num_top = num_top
        self._reports: list[Report] = []

    @property
    def outcome(self) -> Outcome:
        """See Sampler."""
        return self.inner.outcome

    def note(self, report: Report) -> None:
        """Keeps the report of the token that was just drawn."""
        self._reports.append(report)

    def take_reports(self) -> list[Report]:
        """The reports of the draws since the last call, in order."""
        reports, self._reports = self._reports, []
        return reports

    def accept(self, token: int) -> bool:
        """See Sampler."""
        return self.inner.accept(token)

    def mark(self) -> object:
        """See Sampler."""
        return self.inner.mark()

    def rollback(self, mark: object) -> None:
        """See Sampler."""
        self.inner.rollback(mark)

    def close(self) -> None:
        """See Sampler."""
        self.inner.close()
