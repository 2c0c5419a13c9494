"""What an answer must keep to count: limits of TTFT, TPOT and end-to-end time, and its own deadline."""

from dataclasses import dataclass

from perf.load.load_samples import Request


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; None is no limit. `attainment` is the share of requests that is to keep them all."""

    ttft_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None
    attainment: float = 0.95

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return not (self.ttft_s is None and self.tpot_s is None and self.e2e_s is None)

    def met(self, request: Request) -> bool:
        """Whether a whole answer came within all of them. One token has no TPOT, and keeps its limit."""
        if request.error or request.ttft_s is None or request.e2e_s is None:
            return False
        return (
            _within(request.ttft_s, self.ttft_s)
            and _within(request.tpot_s or 0.0, self.tpot_s)
            and _within(request.e2e_s, self.e2e_s)
            and _within(request.e2e_s, request.deadline_s)
        )


def _within(value: float, limit: float | None) -> bool:
    return limit is None or value <= limit
